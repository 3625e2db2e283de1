import type { CallContext } from "../../mod.ts";
import { RpcError, RpcServer } from "../../mod.ts";
import { assertEquals, assertLess, assertRejects } from "../../deps/std_assert.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

/** Within this time, the place of a handler that nobody waits for is free. */
const FREED_MS = 1_000;

const handlers = {
  // It heeds nothing.
  hang: () => new Promise<never>(() => {}),
  async *hangAfterOne() {
    yield "first";
    await new Promise<never>(() => {});
  },
  async obey(_: unknown, { signal }: CallContext): Promise<never> {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return await promise;
  },
  ping: () => "pong",
};

function abandoned({ serverEvents }: Pair): unknown[] {
  return serverEvents.flatMap((event) =>
    event.type === "abandoned" ? `${event.procedure} ${event.code}` : []
  );
}

async function freed({ server }: Pair): Promise<void> {
  const isFree = eventually(() => assertEquals(server.stats().active, 0));
  await within(FREED_MS, "the places", isFree);
}

Deno.test("Handlers that never settle free their places after their deadlines", async () => {
  await using pair = await startPair(handlers);
  const { client, server } = pair;
  const calls = Array.from({ length: 16 }, () => client.call("hang", null, { timeoutMs: 300 }));
  await Promise.allSettled(calls);
  assertEquals(await client.call("ping", null, { timeoutMs: 2_000 }), "pong");
  await freed(pair);
  assertEquals(abandoned(pair), Array(16).fill("hang expired"));
  assertEquals(server.stats().expired, 16);
  const startedAt = performance.now();
  await server.close();
  assertLess(performance.now() - startedAt, FREED_MS);
});

Deno.test("Handlers that never settle free their places after a cancellation", async () => {
  await using pair = await startPair(handlers);
  const { client, server } = pair;
  const controller = new AbortController();
  const calls = Array.from({ length: 16 }, () => client.call("hang", null, controller));
  await eventually(() => assertEquals(server.stats().active, 16));
  controller.abort();
  await Promise.allSettled(calls);
  await freed(pair);
  assertEquals(abandoned(pair), Array(16).fill("hang cancelled"));
  assertEquals([server.stats().cancelled, await client.call("ping")], [16, "pong"]);
});

Deno.test("A generator that heeds nothing frees its place when its reader leaves", async () => {
  await using pair = await startPair(handlers);
  for await (const item of pair.client.stream("hangAfterOne", null)) {
    assertEquals(item, "first");
    break;
  }
  await freed(pair);
  assertEquals(abandoned(pair), ["hangAfterOne cancelled"]);
});

Deno.test("RpcServer.close() does not wait for handlers that nobody wants", async () => {
  await using pair = await startPair(handlers);
  const controller = new AbortController();
  const call = assertRejects(() => pair.client.call("hang", null, controller));
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  controller.abort();
  await call;
  await within(FREED_MS, "close()", pair.server.close());
});

Deno.test("handlerTimeLimitMs ends functions, and their callers are told", async () => {
  await using pair = await startPair(handlers, { server: { handlerTimeLimitMs: 200 } });
  const { client, server } = pair;
  await client.notify("hang", null);
  const error = await assertRejects(() => client.call("obey", null), RpcError);
  assertEquals([error.code, error.message.includes("limit: 200 ms")], ["timeout", true]);
  const stream = client.stream("hangAfterOne", null);
  assertEquals((await stream.next()).value, "first");
  assertEquals((await assertRejects(() => stream.next(), RpcError)).code, "timeout");
  await freed(pair);
  // The one that heeds its signal has ended by itself.
  assertEquals(abandoned(pair), ["hang timeout", "hangAfterOne timeout"]);
  assertEquals(server.stats().failed, 3);
  assertEquals(await client.call("ping"), "pong");
});

Deno.test("handlerTimeLimitMs does not count the pauses of a reader", async () => {
  const yieldMany = function* () {
    for (let n = 0; n < 100; n++) yield n;
  };
  await using pair = await startPair({ yieldMany }, { server: { handlerTimeLimitMs: 200 } });
  const items: unknown[] = [];
  for await (const item of pair.client.stream("yieldMany", null, { credits: 2 })) {
    if (items.push(item) === 1) await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assertEquals(items.length, 100);
});

Deno.test("A key whose handler was abandoned runs again", async () => {
  let runs = 0;
  await using pair = await startPair({ pay: () => ++runs === 1 ? handlers.hang() : runs });
  const key = { idempotencyKey: "order-1" };
  await assertRejects(() => pair.client.call("pay", null, { ...key, timeoutMs: 100 }), RpcError);
  await freed(pair);
  assertEquals(await pair.client.call("pay", null, key), 2);
});

Deno.test("RpcServer.listen() checks handlerTimeLimitMs", async () => {
  for (const handlerTimeLimitMs of [0, 1.5, 2 ** 31, NaN]) {
    const listen = () =>
      RpcServer.listen(brokerUrl(), { log: false, queue: "q", handlers, handlerTimeLimitMs });
    await assertRejects(listen, RangeError, '"handlerTimeLimitMs" must be an integer');
  }
});
