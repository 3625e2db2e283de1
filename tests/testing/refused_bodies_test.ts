import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { RpcError, RpcRemoteError } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import {
  assertOnlyGuiltySuffer,
  countsOf,
  lossesOf,
  startLimited,
} from "../helpers/refused_bodies.ts";

const MAX_BYTES = 20_000;

for (const replyQueue of ["exclusive", "direct"] as const) {
  Deno.test(`A body that the embedded broker refuses harms no other call: ${replyQueue}`, async () => {
    await using broker = await TestBroker.start({ maxMessageBytes: MAX_BYTES });
    await using pair = await startLimited({ url: broker.url, maxBytes: MAX_BYTES }, { replyQueue });
    await assertOnlyGuiltySuffer(pair, MAX_BYTES);
    assertEquals(countsOf(pair.server), [0, 0, 0, 0]);
    if (replyQueue === "exclusive") assertEquals(lossesOf(pair), []);
  });
}

Deno.test("An error with a name, code, stack and message of any size reaches its caller", async () => {
  await using broker = await TestBroker.start({ maxMessageBytes: MAX_BYTES });
  const long = "x".repeat(5 * MAX_BYTES);
  const handlers = {
    fail(property: "name" | "code" | "message") {
      throw Object.assign(new Error("short"), { [property]: long });
    },
  };
  const limited = { url: broker.url, maxBytes: MAX_BYTES };
  await using pair = await startLimited(limited, { handlers });
  for (const property of ["name", "code", "message"] as const) {
    const error = await assertRejects(() => pair.client.call("fail", property), RpcRemoteError);
    const value = property === "name" ? error.remoteName : error[property];
    assertEquals(value, `${"x".repeat(2_000)}…`);
  }
});

Deno.test("maxBodyBytes bounds errors, items and progress where the broker takes more", async () => {
  await using broker = await TestBroker.start();
  const limited = { url: broker.url, maxBytes: MAX_BYTES };
  await using pair = await startLimited(limited, { maxBodyBytes: MAX_BYTES });
  const { client } = pair;
  const attempts = [
    () => client.call("details"),
    () => client.call("progress", null, { onProgress: () => {} }),
    () => Array.fromAsync(client.stream("items")),
    () => client.notify("echo", "x".repeat(MAX_BYTES)),
  ];
  for (const attempt of attempts) {
    const error = await assertRejects(attempt, RpcError, `"maxBodyBytes" is ${MAX_BYTES}`);
    assertEquals(error.code, "too-large");
  }
  assertEquals(await client.call("echo", 1), 1);
});
