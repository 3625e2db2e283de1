import {
  type CallContext,
  type CallOptions,
  RpcClient,
  RpcRemoteError,
  type RpcServerOptions,
} from "../../mod.ts";
import { assertEquals, assertNotEquals, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

/** A procedure that counts how often it runs. */
async function startCounting(replyCache: RpcServerOptions["replyCache"] = {}) {
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const handlers = {
    count: () => ++runs,
    async countAfterGate() {
      const run = ++runs;
      await gate.promise;
      return run;
    },
    fail() {
      throw new Error(`run ${++runs}`);
    },
  };
  const pair = await startPair(handlers, { server: { replyCache } });
  return Object.assign(pair, { gate });
}

const KEY: CallOptions = { idempotencyKey: "order 7" };

Deno.test("A call with a key runs once, however often it is made", async () => {
  await using pair = await startCounting();
  for (let times = 0; times < 3; times++) {
    assertEquals(await pair.client.call("count", 1, KEY), 1);
  }
  assertEquals(await pair.client.call("count", 1, { idempotencyKey: "order 8" }), 2);
  const { reused, succeeded } = pair.server.stats();
  assertEquals([reused, succeeded >= 3], [2, true]);
});

Deno.test("Calls with a key that is under way share its output", async () => {
  await using pair = await startCounting();
  const calls = [1, 2, 3].map(() => pair.client.call("countAfterGate", 1, KEY));
  await eventually(() => assertEquals(pair.server.stats().reused, 2));
  pair.gate.resolve();
  assertEquals(await Promise.all(calls), [1, 1, 1]);
});

Deno.test("A call that is cancelled frees its place, though others wait on", async () => {
  await using pair = await startCounting();
  const leaver = new AbortController();
  const stays = pair.client.call("countAfterGate", 1, KEY);
  const leaves = pair.client.call("countAfterGate", 1, { ...KEY, signal: leaver.signal });
  await eventually(() => assertEquals(pair.server.stats().active, 2));
  leaver.abort(new Error("left"));
  await assertRejects(() => leaves, Error, "left");
  await eventually(() => {
    const { active, cancelled } = pair.server.stats();
    assertEquals([active, cancelled], [1, 1]);
  });
  pair.gate.resolve();
  assertEquals(await stays, 1);
});

Deno.test("A key is its caller's, unless its server or a client says else", async () => {
  for (const [scope, outputs] of [["caller", [1, 2, 2]], ["queue", [1, 1, 1]]] as const) {
    let runs = 0;
    const server = { idempotency: { scope } };
    await using pair = await startPair({ count: () => ++runs }, { server });
    const { queue } = pair;
    const options = { queue, callerId: "billing" };
    await using other = await RpcClient.connect(brokerUrl(), options);
    await using same = await RpcClient.connect(brokerUrl(), options);
    const callers = [pair.client, other, same];
    const actual = await Array.fromAsync(callers, (client) => client.call("count", 1, KEY));
    assertEquals(actual, [...outputs]);
    assertEquals(await pair.client.call("count", 1, KEY), 1);
  }
});

Deno.test("A key that stands for another input is a conflict", async () => {
  await using pair = await startCounting();
  const { client } = pair;
  const refused = () =>
    assertRejects(() => client.call("countAfterGate", 2, KEY), RpcRemoteError, "another input");
  const first = client.call("countAfterGate", 1, KEY);
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  assertEquals((await refused()).code, "idempotency-conflict");
  pair.gate.resolve();
  assertEquals(await first, 1);
  assertEquals((await refused()).retryable, false);
  assertEquals(await client.call("countAfterGate", 1, KEY), 1);
});

Deno.test("A stranger's message id is no key", async () => {
  await using pair = await startPair({ double: (n: number) => 2 * n });
  await using peer = await AmqpPeer.open();
  const ask = (n: number) =>
    peer.request(pair.queue, String(n), { type: "double", correlationId: `${n}`, messageId: "1" });
  const replies = [await ask(10), await ask(20)];
  assertEquals(replies.map(({ content }) => content.toString()), ["20", "40"]);
});

Deno.test("The keys of clients of version 0.1.0 count, for the same input", async () => {
  await using pair = await startCounting();
  await using peer = await AmqpPeer.open();
  const headers = { "rpc-deadline": Date.now() + 60_000 };
  const ask = (correlationId: string, input: string) =>
    peer.request(pair.queue, input, { type: "count", correlationId, messageId: "order", headers });
  const replies = [await ask("a", "1"), await ask("b", "1"), await ask("c", "2")];
  assertEquals(replies.slice(0, 2).map(({ content }) => content.toString()), ["1", "1"]);
  assertEquals(replies[2]?.properties.type, "error");
});

Deno.test("A key holds for one procedure only", async () => {
  await using pair = await startCounting();
  assertEquals(await pair.client.call("count", 1, KEY), 1);
  pair.gate.resolve();
  assertEquals(await pair.client.call("countAfterGate", 1, KEY), 2);
});

Deno.test("A call with a key runs again after an error", async () => {
  await using pair = await startCounting();
  await assertRejects(() => pair.client.call("fail", 1, KEY), Error, "run 1");
  await assertRejects(() => pair.client.call("fail", 1, KEY), Error, "run 2");
});

Deno.test("A call with a key runs again after the cache's age", async () => {
  await using pair = await startCounting({ maxAgeMs: 20 });
  assertEquals(await pair.client.call("count", 1, KEY), 1);
  await eventually(async () => assertNotEquals(await pair.client.call("count", 1, KEY), 1));
});

Deno.test("A server without a reply cache runs every request", async () => {
  await using pair = await startCounting(false);
  assertEquals(await pair.client.call("count", 1, KEY), 1);
  assertEquals(await pair.client.call("count", 1, KEY), 2);
  assertEquals(pair.server.stats().reused, 0);
});

Deno.test("A request that comes again is answered from the cache", async () => {
  await using pair = await startCounting();
  await using peer = await AmqpPeer.open();
  const headers = { "rpc-deadline": Date.now() + 60_000 };
  const ask = () => peer.request(pair.queue, "1", { type: "count", correlationId: "a", headers });
  const replies = [await ask(), await ask()];
  assertEquals(replies.map(({ content }) => content.toString()), ["1", "1"]);
  assertEquals(replies.map(({ properties }) => properties.correlationId), ["a", "a"]);
});

Deno.test("A tutorial client's correlation id is no key", async () => {
  await using pair = await startCounting();
  await using peer = await AmqpPeer.open();
  const ask = () => peer.request(pair.queue, "1", { type: "count", correlationId: "1" });
  const replies = [await ask(), await ask()];
  assertEquals(replies.map(({ content }) => content.toString()), ["1", "2"]);
});

Deno.test("RpcClient.call() refuses an idempotency key that AMQP cannot carry", async () => {
  await using pair = await startCounting();
  for (const idempotencyKey of ["", "x".repeat(256)]) {
    const call = () => pair.client.call("count", 1, { idempotencyKey });
    await assertRejects(call, TypeError, '"idempotencyKey" must be');
  }
  assertEquals(pair.client.pending, 0);
});

Deno.test("A key holds for calls that listen to progress, too", async () => {
  let runs = 0;
  const ready = Promise.withResolvers<void>();
  const pay = async (_: unknown, context: CallContext) => {
    runs++;
    context.progress("begun");
    await ready.promise;
    context.progress("paid");
    return runs;
  };
  await using pair = await startPair({ pay });
  const { client } = pair;
  const key = { idempotencyKey: "order-1" };
  const told: unknown[][] = [[], []];
  const listeners = told.map((values) => (value: unknown) => values.push(value));
  const [first, second] = listeners.map((onProgress) => ({ ...key, onProgress }));
  const calls = [client.call("pay", 0, first)];
  await eventually(() => assertEquals(told[0], ["begun"]));
  calls.push(client.call("pay", 0, second), client.call("pay", 0, key));
  await eventually(() => assertEquals(pair.server.stats().active, 3));
  ready.resolve();
  assertEquals(await Promise.all(calls), [1, 1, 1]);
  assertEquals(told, [["begun", "paid"], ["paid"]]);
  assertEquals([await client.call("pay", 0, first), runs], [1, 1]);
});

Deno.test("A request that comes again is not run again, though its caller listens", async () => {
  let runs = 0;
  await using pair = await startPair({ pay: () => ++runs });
  await using peer = await AmqpPeer.open();
  const replyTo = await peer.declareQueue(`rpc.replies.${crypto.randomUUID()}`);
  const replies = await peer.messages(replyTo);
  const headers = { "rpc-deadline": Date.now() + 60_000, "rpc-progress": true };
  for (let time = 0; time < 2; time++) {
    await peer.send(pair.queue, "0", { type: "pay", correlationId: "a", replyTo, headers });
    assertEquals(`${(await nextOf(replies)).content}`, "1");
  }
  assertEquals(runs, 1);
});

Deno.test("A key is not forgotten for ordinary calls", async () => {
  let runs = 0;
  const handlers = { pay: () => ++runs, ping: () => 1 };
  await using pair = await startPair(handlers, { server: { replyCache: { maxEntries: 5 } } });
  const { client } = pair;
  const pay = (key: number) => client.call("pay", 0, { idempotencyKey: `order-${key}` });
  await pay(1);
  await Promise.all(Array.from({ length: 20 }, () => client.call("ping")));
  assertEquals([await pay(1), runs], [1, 1]);
  for (let key = 2; key <= 6; key++) await pay(key);
  const forgotten = pair.serverEvents.filter(({ type }) => type === "key-forgotten");
  assertEquals(forgotten, [
    { type: "key-forgotten", procedure: "pay", key: "order-1", reason: "full" },
  ]);
});
