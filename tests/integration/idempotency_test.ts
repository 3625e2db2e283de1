import { type CallOptions, RpcClient, type RpcServerOptions } from "../../mod.ts";
import { assertEquals, assertNotEquals, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
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

Deno.test("A key holds for all callers of a queue unless told else", async () => {
  for (const [scope, outputs] of [["queue", [1, 1]], ["caller", [1, 2]]] as const) {
    await using pair = await startCounting({ scope });
    await using other = await RpcClient.connect(brokerUrl(), { queue: pair.queue });
    const callers = [pair.client, other];
    const actual = await Array.fromAsync(callers, (client) => client.call("count", 1, KEY));
    assertEquals(actual, [...outputs]);
    assertEquals(await pair.client.call("count", 1, KEY), 1);
  }
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
