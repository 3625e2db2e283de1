import { RpcClient, RpcError } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";
import { runChild } from "../helpers/child.ts";
import { pause } from "../../tools/time/waiting.ts";

const WORKER = new URL("../fixtures/workers/stream_worker.ts", import.meta.url);

const handlers = {
  *count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  },
  plain: () => 1,
};

/** Who forgets a stream keeps its place for 5 s; this is more. */
const FREED_MS = 9_000;

/** Who is gone is looked for twice, 5 s apart; this is more. */
const GONE_MS = 20_000;

Deno.test("Readers that forget their streams do not silence a server", async () => {
  await using pair = await startPair(handlers);
  const forgotten = Array.from({ length: 16 }, () => pair.client.stream("count", 1_000_000));
  for (const stream of forgotten) assertEquals((await stream.next()).value, 0);
  await using other = await RpcClient.connect(pair.url, { queue: pair.queue });
  assertEquals(await other.call("plain", null, { timeoutMs: FREED_MS }), 1);
  // What had come is there; then it is said why there is no more.
  const error = await assertRejects(() => Array.fromAsync(forgotten[0] ?? []), RpcError);
  assertEquals([error.code, error.retryable], ["timeout", true]);
});

Deno.test("Streams without credits or deadline do not silence a server", async () => {
  await using pair = await startPair(handlers);
  await using peer = await AmqpPeer.open();
  const replyTo = await peer.declareQueue(`rpc.replies.${crypto.randomUUID()}`);
  // Somebody is there, and takes what comes.
  await peer.messages(replyTo);
  for (let n = 0; n < 16; n++) {
    await peer.send(pair.queue, "5", {
      type: "count",
      replyTo,
      correlationId: `${n}`,
      contentType: "application/json",
      headers: { "rpc-credits": 0 },
    });
  }
  await eventually(() => assertEquals(pair.server.stats().active, 16));
  assertEquals(await pair.client.call("plain", null, { timeoutMs: FREED_MS }), 1);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`Readers that forget their streams do not silence a pool of a ${isolation}`, async () => {
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
    const forgotten = pair.client.stream("count", 1_000_000);
    assertEquals((await forgotten.next()).value, 0);
    assertEquals(await pair.client.call("plain", null, { timeoutMs: FREED_MS }), 1);
    const own = pool.stream("count", 1_000_000);
    assertEquals((await own.next()).value, 0);
    assertEquals(await pair.client.call("plain", null, { timeoutMs: FREED_MS }), 1);
    const error = await assertRejects(() => Array.fromAsync(own), RpcError, "takes nothing");
    assertEquals(error.code, "timeout");
    await pair.server.close();
  });
}

Deno.test("A reader that is slow, but reads, keeps its stream", async () => {
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  const items: unknown[] = [];
  for await (const n of pair.client.stream("count", 1_000_000, { credits: 100 })) {
    items.push(n);
    // Longer in all than others have to wait, and far from half of the credits.
    if (items.length === 8) {
      const { active, failed } = pair.server.stats();
      assertEquals([active, failed], [1, 0]);
      break;
    }
    await pause(1_000);
  }
  assertEquals(items, [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("A stream whose client is gone ends, though its reply queue is durable", async () => {
  const name = `paused-${crypto.randomUUID()}`;
  await using pair = await startPair(handlers);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(`rpc.replies.${name}`));
  // It reads one item, and dies.
  const { code } = await runChild("tests/fixtures/dying_reader.ts", {
    args: [brokerUrl(), pair.queue, name],
    limitMs: 20_000,
  });
  assertEquals([code, pair.server.stats().active], [3, 1]);
  await eventually(() => assertEquals(pair.server.stats().active, 0), GONE_MS);
});
