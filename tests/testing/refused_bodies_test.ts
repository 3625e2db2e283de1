import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { type CallResult, RpcError, RpcRemoteError } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import {
  assertOnlyGuiltySuffer,
  countsOf,
  lossesOf,
  startLimited,
} from "../helpers/refused_bodies.ts";
import { startPair } from "../helpers/pair.ts";

const MAX_BYTES = 20_000;
const WORKER = new URL("../fixtures/workers/oversize_worker.ts", import.meta.url);

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

Deno.test("A callbackContext that does not fit into a frame harms no other call", async () => {
  await using broker = await TestBroker.start({ frameMax: 4_096 });
  await using pair = await startPair({ echo: (value: unknown) => value }, {
    url: broker.url,
    client: { replyQueue: { name: crypto.randomUUID() }, callbackKeys: ["k".repeat(32)] },
  });
  const { client } = pair;
  const results: CallResult<unknown>[] = [];
  client.registerCallback("done", (result) => void results.push(result));
  for (const chars of [100, 6_000]) {
    client.callAsync("echo", chars, "done", { callbackContext: "x".repeat(chars) });
  }
  assertEquals(await client.call("echo", 1), 1);
  await eventually(() => assertEquals(results.length, 2));
  const [failed] = results.filter(({ ok }) => !ok);
  assert(failed?.ok === false && failed.error instanceof RpcError);
  assertEquals([failed.error.code, failed.error.call?.phase], ["too-large", "not-published"]);
  assertStringIncludes(failed.error.message, "a frame of this broker has 4096");
  assertEquals(lossesOf(pair), []);
});

Deno.test("A request whose headers leave no room for the reason is parked without them", async () => {
  await using broker = await TestBroker.start({ frameMax: 4_096 });
  await using pair = await startPair({ echo: (value: unknown) => value }, { url: broker.url });
  await using peer = await AmqpPeer.open(broker.url);
  const headers = { long: "x".repeat(3_800) };
  await peer.send(pair.queue, "1", { type: "echo", replyTo: "elsewhere", headers });
  await eventually(() => assertEquals(pair.server.stats().parked, 1));
  const parked = await (await peer.messages(`${pair.queue}.parked`)).next();
  assertEquals(parked.value.properties.headers["rpc-parked-complete"], false);
  assertEquals(await pair.client.call("echo", 1), 1);
  assertEquals(lossesOf(pair), ["parked"]);
});

Deno.test("A request is parked whole that is larger than its server serves", async () => {
  await using broker = await TestBroker.start();
  await using pair = await startPair({ echo: (value: unknown) => value }, {
    url: broker.url,
    server: { maxBodyBytes: 1_000 },
  });
  await using peer = await AmqpPeer.open(broker.url);
  await peer.send(pair.queue, "x".repeat(2_000), { type: "echo", replyTo: "elsewhere" });
  await eventually(() => assertEquals(pair.server.stats().parked, 1));
  const parked = await (await peer.messages(`${pair.queue}.parked`)).next();
  assertEquals(parked.value.content.length, 2_000);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`What a worker sends that the broker refuses ends its task alone: ${isolation}`, async () => {
    await using broker = await TestBroker.start({ maxMessageBytes: MAX_BYTES });
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    const limited = { url: broker.url, maxBytes: MAX_BYTES };
    await using pair = await startLimited(limited, { handlers: pool.handlers() });
    const { client } = pair;
    const bytes = MAX_BYTES + 1;
    const attempts = [
      () => client.call("text", bytes),
      () => client.call("details", bytes),
      () => client.call("progress", bytes, { onProgress: () => {} }),
      () => Array.fromAsync(client.stream("items", bytes)),
    ];
    for (const attempt of attempts) {
      const error = await assertRejects(attempt, RpcError, `the broker's limit is ${MAX_BYTES}`);
      assertEquals(error.code, "too-large");
      assertEquals(await client.call("echo", 1), 1);
    }
    assertEquals([lossesOf(pair), countsOf(pair.server)], [[], [0, 0, 0, 0]]);
  });
}
