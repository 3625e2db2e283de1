import { AsyncLocalStorage } from "node:async_hooks";
import type { CallContext, StreamOptions } from "../../mod.ts";
import { RpcClient, RpcError, RpcServer, RpcTimeoutError } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { assertEquals, assertLessOrEqual, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";

const WORKER = new URL("../fixtures/workers/stream_worker.ts", import.meta.url);

/** A handler that streams, and tells how far it went and how it ended. */
class Counter {
  yielded = 0;
  isEnded = false;

  readonly handlers = {
    count: (to: number) => this.#count(to),
    async *fail(count: number) {
      for (let n = 0; n < count; n++) yield n;
      throw new RangeError(`no more than ${count}`);
    },
    async *hang(_: unknown, { signal }: CallContext) {
      yield "first";
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
    plain: () => 1,
    async work(steps: number, context: CallContext) {
      for (let step = 0; step < steps; step++) await context.progress(step);
      return "done";
    },
  };

  async *#count(to: number) {
    try {
      for (let n = 0; n < to; n++) {
        this.yielded++;
        yield n;
      }
    } finally {
      this.isEnded = true;
    }
  }
}

function numbers(to: number): number[] {
  return Array.from({ length: to }, (_, n) => n);
}

async function take(pair: Pair, procedure: string, input: unknown): Promise<unknown[]> {
  return await Array.fromAsync(pair.client.stream(procedure, input));
}

Deno.test("RpcClient.stream() yields all items in order", async () => {
  await using pair = await startPair(new Counter().handlers);
  assertEquals(await take(pair, "count", 1_000), numbers(1_000));
  assertEquals(await take(pair, "count", 0), []);
  assertEquals(pair.client.pending, 0);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`RpcClient.stream() reads from a worker that is a ${isolation}`, async () => {
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
    assertEquals(await take(pair, "count", 500), numbers(500));
    const told: unknown[] = [];
    const onProgress = (value: unknown) => told.push(value);
    assertEquals(await pair.client.call("work", 2, { onProgress }), "done");
    assertEquals(told, [{ step: 1, of: 2 }, { step: 2, of: 2 }]);
    await pair.server.close();
  });
}

Deno.test("RpcClient.stream() has the handler wait for its reader", async () => {
  const counter = new Counter();
  await using pair = await startPair(counter.handlers);
  const stream = pair.client.stream("count", 1_000_000, { credits: 10 });
  assertEquals((await stream.next()).value, 0);
  await pair.client.call("plain");
  assertLessOrEqual(counter.yielded, 12);
  await stream.return();
});

Deno.test("RpcClient.stream() cancels the handler when its loop is left", async () => {
  const counter = new Counter();
  await using pair = await startPair(counter.handlers);
  for await (const n of pair.client.stream("count", 1_000_000)) if (n === 99) break;
  await eventually(() => assertEquals(counter.isEnded, true));
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  assertEquals(pair.client.pending, 0);
});

Deno.test("RpcClient.stream() gives the items before a failure, then throws", async () => {
  await using pair = await startPair(new Counter().handlers);
  const items: unknown[] = [];
  const error = await assertRejects(
    async () => {
      for await (const item of pair.client.stream("fail", 3)) items.push(item);
    },
    RpcError,
    "no more than 3",
  );
  assertEquals([items, error.code], [[0, 1, 2], "handler-error"]);
});

Deno.test("RpcClient.stream() times out when no item comes", async () => {
  await using pair = await startPair(new Counter().handlers);
  const stream = pair.client.stream("hang", 1, { idleTimeoutMs: 50 });
  assertEquals((await stream.next()).value, "first");
  assertEquals((await assertRejects(() => stream.next(), RpcError)).code, "timeout");
  await eventually(() => assertEquals(pair.server.stats().active, 0));
});

Deno.test("RpcClient.stream() keeps a deadline for the whole", async () => {
  await using pair = await startPair(new Counter().handlers);
  const stream = pair.client.stream("hang", 1, { timeoutMs: 80 });
  assertEquals((await stream.next()).value, "first");
  const error = await assertRejects(() => stream.next(), RpcTimeoutError);
  assertEquals(error.call?.phase, "running");
  await eventually(() => assertEquals(pair.server.stats().active, 0));
});

Deno.test("RpcClient.stream() rejects a procedure that does not stream", async () => {
  await using pair = await startPair(new Counter().handlers);
  const error = await assertRejects(() => take(pair, "plain", 1), RpcError);
  assertEquals(error.code, "not-a-stream");
});

Deno.test("RpcClient.call() rejects a procedure that streams", async () => {
  await using pair = await startPair(new Counter().handlers);
  const error = await assertRejects(() => pair.client.call("count", 1), RpcError);
  assertEquals(error.code, "unwanted-stream");
});

Deno.test("RpcClient.stream() survives a cut connection, each item once", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  const counter = new Counter();
  await using pair = await startPair(counter.handlers);
  const { queue } = pair;
  await using client = await RpcClient.connect(proxy.url, { queue });
  const items: unknown[] = [];
  for await (const item of client.stream("count", 2_000)) {
    items.push(item);
    if (items.length === 500) proxy.cut();
  }
  assertEquals(items, numbers(2_000));
});

Deno.test("RpcClient.stream() goes on when another server takes over", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  const { handlers } = new Counter();
  await using pair = await startPair(handlers);
  await pair.server.close();
  const { queue } = pair;
  await using first = await RpcServer.listen(proxy.url, { log: false, queue, handlers });
  const items: unknown[] = [];
  for await (const item of pair.client.stream("count", 2_000)) {
    items.push(item);
    if (items.length === 500) proxy.cut();
  }
  assertEquals(items, numbers(2_000));
  await first.close();
});

Deno.test("RpcClient.stream() says that another server begins the stream anew", async () => {
  await using takeover = await startTakeover({});
  assertEquals(await takeover.items, [...rows("A", 5), ...rows("B", 16).slice(5)]);
  const restarts = takeover.pair.clientEvents.filter(({ type }) => type === "stream-restarted");
  assertEquals(restarts.map((event) => "items" in event && event.items), [5]);
});

Deno.test("RpcClient.stream() mixes no items of two servers unless idempotent", async () => {
  await using takeover = await startTakeover({ idempotent: false });
  const error = await assertRejects(() => takeover.items, RpcError, "begun anew after 5 items");
  assertEquals([error.code, takeover.seen], ["disconnected", rows("A", 5)]);
  await eventually(() => assertEquals(takeover.pair.client.pending, 0));
});

function rows(tag: string, to: number): string[] {
  return numbers(to).map((n) => `${tag}${n}`);
}

/** A stream of five items whose server is closed then, while another one is there. */
async function startTakeover(options: StreamOptions) {
  const seen: unknown[] = [];
  const taken = Promise.withResolvers<void>();
  const handlers = (tag: string, pauseAt: number) => ({
    async *rows(_: unknown, { signal }: CallContext) {
      for (const row of rows(tag, 16)) {
        if (row === `${tag}${pauseAt}`) await untilAborted(signal);
        yield row;
      }
    },
  });
  const pair = await startPair(handlers("A", 5));
  const read = async () => {
    for await (const row of pair.client.stream("rows", null, options)) {
      seen.push(row);
      if (seen.length === 5) taken.resolve();
    }
    return seen;
  };
  const items = read();
  // It is looked at later.
  items.catch(() => {});
  await taken.promise;
  const other = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers: handlers("B", Infinity),
  });
  await pair.server.close({ graceMs: 0 });
  return {
    pair,
    items,
    seen,
    async [Symbol.asyncDispose]() {
      await pair[Symbol.asyncDispose]();
      await other.close();
    },
  };
}

async function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return await promise;
}

Deno.test("RpcClient.stream() drops doubles and mends the order of items", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const items = Array.fromAsync(client.stream("count", 3));
  const { replyTo, correlationId } = (await nextOf(requests)).properties;
  for (const seq of [0, 2, 0, 1, 2, 1]) {
    await peer.send(replyTo, `${seq}`, {
      correlationId,
      type: "item",
      headers: { "rpc-seq": seq },
    });
  }
  await peer.send(replyTo, "", { correlationId, type: "end", headers: { "rpc-seq": 3 } });
  assertEquals(await items, [0, 1, 2]);
});

Deno.test("RpcClient.stream() rejects when items are missing at its end", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const items = assertRejects(() => Array.fromAsync(client.stream("count", 3)), RpcError, "1 of 3");
  const { replyTo, correlationId } = (await nextOf(requests)).properties;
  const headers = { "rpc-seq": 0 };
  await peer.send(replyTo, "0", { correlationId, type: "item", headers });
  await peer.send(replyTo, "", { correlationId, type: "end", headers: { "rpc-seq": 3 } });
  assertEquals((await items).code, "protocol");
});

Deno.test("CallOptions.onProgress is told of every step, in order", async () => {
  await using pair = await startPair(new Counter().handlers);
  const told: unknown[] = [];
  const onProgress = (value: unknown) => told.push(value);
  assertEquals(await pair.client.call("work", 5, { onProgress }), "done");
  assertEquals(told, numbers(5));
});

Deno.test("RpcClient.callAsync() tells onProgress of every step before the result", async () => {
  await using pair = await startPair(new Counter().handlers);
  const told: unknown[] = [];
  const done = Promise.withResolvers<void>();
  pair.client.callAsync("work", 3, (result) => {
    told.push(result);
    done.resolve();
  }, { onProgress: (value) => told.push(value) });
  await done.promise;
  assertEquals(told, [...numbers(3), { ok: true, output: "done" }]);
});

Deno.test("CallOptions.onProgress that throws or rejects breaks nothing and is told", async () => {
  await using pair = await startPair(new Counter().handlers);
  const failures = () => pair.clientEvents.filter(({ type }) => type === "callback-failed");
  const throwing = () => {
    throw new Error("Cannot listen");
  };
  assertEquals(await pair.client.call("work", 1, { onProgress: throwing }), "done");
  assertEquals(failures().length, 1);
  const rejecting = () => Promise.reject(new Error("Cannot listen"));
  assertEquals(await pair.client.call("work", 1, { onProgress: rejecting }), "done");
  await eventually(() => assertEquals(failures().length, 2));
});

Deno.test("CallOptions.onProgress runs in the context of its caller", async () => {
  const storage = new AsyncLocalStorage<string>();
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  await using pair = await startPair(new Counter().handlers);
  const told: unknown[] = [];
  const onProgress = () => told.push(storage.getStore());
  await storage.run("request 7", () => pair.client.call("work", 1, { onProgress }));
  await storage.run("request 8", () => pool.run("work", 1, { onProgress }));
  assertEquals(told, ["request 7", "request 8"]);
});
