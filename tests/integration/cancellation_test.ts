import { type CallContext, type CallResult, RpcClient, RpcError, RpcServer } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
} from "../../deps/std_assert.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const GATED = new URL("../fixtures/workers/gated_worker.ts", import.meta.url);

/** A handler that works until its signal aborts, and the contexts that it was called with. */
function endlessWork() {
  const contexts: CallContext[] = [];
  return {
    contexts,
    work(_: unknown, context: CallContext) {
      contexts.push(context);
      const { promise, reject } = Promise.withResolvers<never>();
      context.signal.addEventListener("abort", () => reject(context.signal.reason), { once: true });
      return promise;
    },
  };
}

function codeOf(reason: unknown): unknown {
  return reason instanceof RpcError ? reason.code : reason;
}

Deno.test("An abort rejects its call and stops its handler", async () => {
  const { contexts, work } = endlessWork();
  await using pair = await startPair({ work });
  const controller = new AbortController();
  const reason = { not: "an Error" };
  const call = pair.client.call("work", 1, { signal: controller.signal }).catch((error) => error);
  await eventually(() => assertEquals(contexts.length, 1));
  controller.abort(reason);
  assertStrictEquals(await call, reason);
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  assertEquals(codeOf(contexts[0]?.signal.reason), "cancelled");
  assertEquals([pair.server.stats().active, pair.client.stats().unknownReplies], [0, 0]);
});

Deno.test("RpcClient.cancel() stops the handler and its callback", async () => {
  const { contexts, work } = endlessWork();
  await using pair = await startPair({ work });
  const results: CallResult<unknown>[] = [];
  const id = pair.client.callAsync("work", 1, (result) => results.push(result));
  await eventually(() => assertEquals(contexts.length, 1));
  assert(pair.client.cancel(id));
  assertFalse(pair.client.cancel(id));
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  assertEquals([results, pair.client.pending], [[], 0]);
});

Deno.test("A request cancelled in the broker's queue is not run", async () => {
  const gate = Promise.withResolvers<string>();
  const started: number[] = [];
  const wait = (n: number) => {
    started.push(n);
    return gate.promise;
  };
  await using pair = await startPair({ wait }, { server: { prefetch: 1 } });
  const first = pair.client.call("wait", 1);
  await eventually(() => assertEquals(started, [1]));
  const controller = new AbortController();
  const second = assertRejects(() => pair.client.call("wait", 2, { signal: controller.signal }));
  const third = pair.client.call("wait", 3);
  await pair.client.notify("wait", 4);
  controller.abort();
  await second;
  gate.resolve("done");
  assertEquals(await Promise.all([first, third]), ["done", "done"]);
  await eventually(() => assertEquals(started, [1, 3, 4]));
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
});

Deno.test("A request cancelled in the pool's backlog is not run", async () => {
  await using pool = await WorkerPool.open(GATED, { maxWorkers: 1 });
  await using pair = await startPair({}, { server: { handlers: pool.handlers(), prefetch: 10 } });
  const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
  const events: string[] = [];
  const gates = new BroadcastChannel("gates");
  gates.onmessage = ({ data }) => events.push(data);
  const running = pair.client.call("wait", first);
  await eventually(() => assert(events.includes(`started ${first}`)));
  const controller = new AbortController();
  const call = assertRejects(() => pair.client.call("wait", second, { signal: controller.signal }));
  await eventually(() => assertEquals(pair.server.stats().active, 2));
  controller.abort();
  await call;
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  gates.postMessage(first);
  assertEquals(await running, first);
  assertEquals(await pair.client.call("echo", 1), 1);
  assertFalse(events.includes(`started ${second}`));
  gates.close();
});

Deno.test("An abort after the reply changes nothing", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const controller = new AbortController();
  assertEquals(await pair.client.call("echo", 1, { signal: controller.signal }), 1);
  controller.abort();
  const id = pair.client.callAsync("echo", 2, () => {});
  await eventually(() => assertEquals(pair.client.pending, 0));
  assertFalse(pair.client.cancel(id));
  await eventually(() => assertEquals(pair.server.stats().succeeded, 2));
  assertEquals(pair.server.stats().cancelled, 0);
});

Deno.test("One of two joined callers may leave without harm", async () => {
  const gate = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const wait = (_: unknown, { signal }: CallContext) => {
    signals.push(signal);
    return gate.promise;
  };
  await using pair = await startPair({ wait });
  const controller = new AbortController();
  const options = { idempotencyKey: "same" };
  const leaving = pair.client.call("wait", 1, { ...options, signal: controller.signal });
  const staying = pair.client.call("wait", 1, options);
  await eventually(() => assertEquals(pair.server.stats().reused, 1));
  controller.abort(new Error("leaving"));
  await assertRejects(() => leaving, Error, "leaving");
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  gate.resolve("done");
  assertEquals(await staying, "done");
  assertEquals(signals.map(({ aborted }) => aborted), [false]);
});

Deno.test("The handler of joined callers stops when the last one leaves", async () => {
  const { contexts, work } = endlessWork();
  await using pair = await startPair({ work });
  const controllers = [new AbortController(), new AbortController()];
  const calls = controllers.map(({ signal }) =>
    pair.client.call("work", 1, { idempotencyKey: "same", signal }).catch(() => "left")
  );
  await eventually(() => assertEquals(pair.server.stats().reused, 1));
  controllers[0]?.abort();
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  assertFalse(contexts[0]?.signal.aborted);
  controllers[1]?.abort();
  await eventually(() => assertEquals(pair.server.stats().cancelled, 2));
  assert(contexts[0]?.signal.aborted);
  assertEquals(await Promise.all(calls), ["left", "left"]);
});

Deno.test("A joined caller is not bound by the first one's deadline", async () => {
  const { contexts, work } = endlessWork();
  await using pair = await startPair({ work });
  const options = { idempotencyKey: "same" };
  const hasty = pair.client.call("work", 1, { ...options, timeoutMs: 100 }).catch(codeOf);
  const patient = pair.client.call("work", 1, { ...options, timeoutMs: 1_000 }).catch(codeOf);
  await eventually(() => assertEquals(pair.server.stats().reused, 1));
  assertEquals(await hasty, "timeout");
  assertFalse(contexts[0]?.signal.aborted);
  assertEquals(await patient, "timeout");
});

Deno.test("RpcServer stops work for a caller whose reply queue is gone", async () => {
  const { contexts, work } = endlessWork();
  await using pair = await startPair({ work });
  {
    await using peer = await AmqpPeer.open();
    await peer.send(pair.queue, "1", { replyTo: peer.replyQueue });
    await eventually(() => assertEquals(contexts.length, 1));
  }
  await eventually(() => assertEquals(pair.server.stats().orphaned, 1));
  assertEquals(codeOf(contexts[0]?.signal.reason), "orphaned");
});

Deno.test("A handler's own call inherits its deadline and its abort", async () => {
  const { contexts, work } = endlessWork();
  await using inner = await startPair({ work });
  const { client } = inner;
  const relay = (input: unknown, context: CallContext) => client.call("work", input, { context });
  await using outer = await startPair({ relay });
  const controller = new AbortController();
  const options = { signal: controller.signal, timeoutMs: 10_000 };
  const call = assertRejects(() => outer.client.call("relay", 1, options), Error, "enough");
  await eventually(() => assertEquals(contexts.length, 1));
  const leftMs = (contexts[0]?.deadline ?? 0) - Date.now();
  assert(leftMs > 5_000 && leftMs <= 10_000, `${leftMs} ms are left`);
  controller.abort(new Error("enough"));
  await call;
  await eventually(() => assertEquals(inner.server.stats().cancelled, 1));
  assert(contexts[0]?.signal.aborted);
});

Deno.test("A handler's own call ends when its caller's time is over", async () => {
  const { work } = endlessWork();
  await using inner = await startPair({ work });
  const ends: unknown[] = [];
  await using outer = await startPair({
    async relay(input: unknown, context) {
      await inner.client.call("work", input, { context }).catch((error) => ends.push(error));
    },
  });
  const options = { timeoutMs: 100 };
  await assertRejects(() => outer.client.call("relay", 1, options), RpcError, "within 100 ms");
  await eventually(() => assertEquals(ends.length, 1));
  assertEquals(inner.client.pending, 0);
});

Deno.test("A request with a skewed clock is run unless it is too old", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  await using peer = await AmqpPeer.open();
  for (const skewMs of [-4_000, 4_000]) {
    const headers = { "rpc-deadline": Date.now() + skewMs };
    const { content } = await peer.request(pair.queue, "1", { headers });
    assertEquals(content.toString(), "1");
  }
  const headers = { "rpc-deadline": Date.now() - 10_000 };
  await peer.send(pair.queue, "2", { replyTo: peer.replyQueue, headers });
  // A reply may come before its confirm, which is what counts it.
  await eventually(() => {
    const { expired, succeeded } = pair.server.stats();
    assertEquals([expired, succeeded], [1, 2]);
  });
});

Deno.test("A cancelled call of a full client is never published", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue(randomQueue());
  await using client = await RpcClient.connect(brokerUrl(), { queue, maxPending: 1 });
  const controller = new AbortController();
  const first = client.call("a").catch(codeOf);
  const second = client.call("b", 1, { signal: controller.signal }).catch(() => "left");
  assertEquals(client.stats().waiting, 1);
  controller.abort();
  assertEquals([await second, client.stats().waiting], ["left", 0]);
  await client.close({ graceMs: 0 });
  assertEquals([await first, await peer.countMessages(queue)], ["closed", 1]);
});

Deno.test("A cancellation reaches the one server that runs the request", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const { contexts, work } = endlessWork();
  const listen = () =>
    RpcServer.listen(brokerUrl(), { log: false, queue, handlers: { work }, prefetch: 1 });
  const servers = [stack.use(await listen()), stack.use(await listen())];
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue }));
  const controllers = [new AbortController(), new AbortController()];
  const calls = controllers.map(({ signal }) => client.call("work", 1, { signal }).catch(codeOf));
  await eventually(() => assertEquals(contexts.length, 2));
  controllers[0]?.abort("left");
  assertEquals(await calls[0], "left");
  const cancelled = () => servers.map((server) => server.stats().cancelled).toSorted();
  await eventually(() => assertEquals(cancelled(), [0, 1]));
  controllers[1]?.abort("left");
  await eventually(() => assertEquals(cancelled(), [1, 1]));
  assertEquals(await calls[1], "left");
});
