import type { CallContext, ReplyQueue } from "../../mod.ts";
import { RpcError } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { deleteQueue } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";
import { pause } from "../../tools/time/waiting.ts";

const WORKER = new URL("../fixtures/workers/stream_worker.ts", import.meta.url);

/** Within this time a reader that leaves has left, and its server's place is free. */
const AT_ONCE_MS = 1_000;

const handlers = {
  *count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  },
  async *stall(_: unknown, { signal }: CallContext) {
    yield "first";
    await untilAborted(signal);
  },
  hang: (n: number, { signal }: CallContext) => n === 0 ? n : untilAborted(signal),
};

async function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return await promise;
}

/** Runs a test in each tier, and with each kind of reply queue. */
function testLeaving(what: string, run: (pair: Pair) => Promise<void>): void {
  for (const tier of ["function", "thread", "process"] as const) {
    const name = `leaving-${crypto.randomUUID()}`;
    for (const replyQueue of ["exclusive", "direct", { name }] as const) {
      const kind = typeof replyQueue === "string" ? replyQueue : "durable";
      Deno.test(`${what} of a ${tier}, ${kind} replies`, () => runLeaving(tier, replyQueue, run));
    }
  }
}

async function runLeaving(
  tier: "function" | "thread" | "process",
  replyQueue: ReplyQueue,
  run: (pair: Pair) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const pool = tier === "function"
    ? undefined
    : stack.use(await WorkerPool.open(WORKER, { maxWorkers: 1, isolation: tier }));
  if (typeof replyQueue === "object") {
    stack.defer(() => deleteQueue(`rpc.replies.${replyQueue.name}`));
  }
  const pair = stack.use(
    await startPair(handlers, {
      server: pool === undefined ? {} : { handlers: pool.handlers() },
      client: { replyQueue },
    }),
  );
  await run(pair);
  await within(
    AT_ONCE_MS,
    "the place",
    eventually(() => assertEquals(pair.server.stats().active, 0)),
  );
  await pair.server.close();
}

testLeaving("ReadableStream.cancel() ends a stream at once", async ({ client }) => {
  const reader = ReadableStream.from(client.stream("stall", null)).getReader();
  assertEquals((await reader.read()).value, "first");
  // As a response does whose browser waits for the next item.
  const waiting = reader.read();
  // The stream asks its source in a turn of its own.
  await pause(20);
  await within(300, "cancel()", reader.cancel());
  assertEquals((await waiting).done, true);
  assertEquals(client.pending, 0);
});

testLeaving("An abort in the loop ends a stream at once", async ({ client }) => {
  const controller = new AbortController();
  const { signal } = controller;
  const after: unknown[] = [];
  const reason = new Error("enough");
  const read = async () => {
    for await (const n of client.stream("count", 1_000_000, { credits: 1_000, signal })) {
      if (signal.aborted) after.push(n);
      if (n === 9) controller.abort(reason);
    }
  };
  await within(AT_ONCE_MS, "the loop", assertRejects(read, Error, "enough"));
  assertEquals([after, client.pending], [[], 0]);
});

testLeaving("RpcClient.close() in the loop ends a stream at once", async ({ client }) => {
  const after: unknown[] = [];
  let isClosed = false;
  const read = async () => {
    for await (const n of client.stream("count", 1_000_000, { credits: 1_000 })) {
      if (isClosed) after.push(n);
      if (n !== 9) continue;
      await within(AT_ONCE_MS, "close()", client.close());
      isClosed = true;
    }
  };
  const error = await assertRejects(read, RpcError);
  assertEquals([error.code, isClosed, after], ["closed", true, []]);
});

Deno.test("The return() of RpcClient.map() does not wait for an output", async () => {
  await using pair = await startPair(handlers);
  const outputs = pair.client.map("hang", [0, 1, 2]);
  assertEquals((await outputs.next()).value, 0);
  const waiting = outputs.next();
  await eventually(() => assertEquals(pair.server.stats().active, 2));
  await within(AT_ONCE_MS, "return()", outputs.return());
  assertEquals((await waiting).done, true);
  await eventually(() => assertEquals(pair.server.stats().cancelled, 2));
});

Deno.test("RpcClient.map() yields nothing after an abort or a close()", async () => {
  for (const way of ["abort", "close"] as const) {
    await using pair = await startPair({ echo: (n: number) => n });
    const { client } = pair;
    const controller = new AbortController();
    const outputs: unknown[] = [];
    const read = async () => {
      for await (const n of client.map("echo", Array(100).keys(), { signal: controller.signal })) {
        outputs.push(n);
        // Many more are done, and wait to be read.
        await eventually(() => assertEquals(client.pending, 0));
        if (way === "close") await client.close();
        else controller.abort(new Error("enough"));
      }
    };
    await assertRejects(read, Error, way === "close" ? "closed" : "enough");
    assertEquals(outputs, [0]);
  }
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`WorkerPool.stream() of a ${isolation} is left at once`, async () => {
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    const reader = ReadableStream.from(pool.stream("stall", null)).getReader();
    await reader.read();
    const waiting = reader.read();
    await pause(20);
    await within(300, "cancel()", reader.cancel());
    assertEquals((await waiting).done, true);
    await within(5_000, "the next task", pool.run("plain", null));
  });

  Deno.test(`WorkerPool.stream() of a ${isolation} ends at an abort and at close()`, async () => {
    for (const way of ["abort", "close"] as const) {
      await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
      const controller = new AbortController();
      const { signal } = controller;
      const items = pool.stream("count", 1_000_000, { credits: 1_000, signal });
      await items.next();
      const closed = way === "close" ? pool.close() : controller.abort(new Error("enough"));
      await assertRejects(() => items.next(), Error, way === "close" ? "closed" : "enough");
      await within(AT_ONCE_MS, way, Promise.resolve(closed));
    }
  });
}
