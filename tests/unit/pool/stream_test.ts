import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError, RpcRemoteError } from "../../../errors.ts";
import type { WorkerPool } from "../../../workers/mod.ts";
import { encodedRequest, insideOf, openPool } from "./pool_helpers.ts";

type StreamContract = {
  readonly count: (to: number) => Generator<number>;
  readonly countLater: (to: number) => AsyncGenerator<number>;
  readonly failAfter: (count: number) => Generator<number>;
  readonly exitAfter: (count: number) => Generator<number>;
  readonly stall: (ms: number) => AsyncGenerator<string>;
  readonly yieldFunction: () => Generator<unknown>;
  readonly counters: () => { readonly produced: number; readonly closed: number };
  readonly plain: () => number;
  readonly rejectLater: () => Promise<number>;
  readonly tellMuch: (steps: number) => number;
  readonly work: (steps: number) => string;
};

for (const isolation of ["thread", "process"] as const) {
  const open = (): Promise<WorkerPool<StreamContract>> =>
    openPool<StreamContract>("stream_worker.ts", { isolation });

  Deno.test(`WorkerPool.stream() reads all items in order from a ${isolation}`, async () => {
    await using pool = await open();
    let next = 0;
    for await (const item of pool.stream("count", 20_000)) assertEquals(item, next++);
    assertEquals(next, 20_000);
  });

  Deno.test(`WorkerPool.stream() reads an async generator from a ${isolation}`, async () => {
    await using pool = await open();
    assertEquals(await Array.fromAsync(pool.stream("countLater", 5)), [0, 1, 2, 3, 4]);
  });

  Deno.test(`WorkerPool.stream() keeps a ${isolation} near a slow reader`, async () => {
    await using pool = await open();
    const items = pool.stream("count", 1_000_000, { credits: 8 });
    for (let n = 0; n < 20; n++) assertEquals((await items.next()).value, n);
    await items.return(undefined);
    const { produced, closed } = await pool.run("counters", undefined);
    assert(produced <= 20 + 8, `it had produced ${produced}`);
    assertEquals(closed, 1);
  });

  Deno.test(`WorkerPool.stream() gives items, then the error of a ${isolation}`, async () => {
    await using pool = await open();
    const seen: number[] = [];
    const error = await assertRejects(
      async () => {
        for await (const item of pool.stream("failAfter", 3)) seen.push(item);
      },
      RpcRemoteError,
      "no more than 3",
    );
    assertEquals([seen, error.remoteName], [[0, 1, 2], "RangeError"]);
  });

  Deno.test(`WorkerPool.stream() rejects when a ${isolation} dies`, async () => {
    await using pool = await open();
    const error = await assertRejects(
      () => Array.fromAsync(pool.stream("exitAfter", 3)),
      RpcError,
      "Deno.exit(5)",
    );
    assertEquals(error.code, "worker-crashed");
  });

  Deno.test(`WorkerPool.stream() limits the wait for an item of a ${isolation}`, async () => {
    await using pool = await open();
    const items = pool.stream("stall", 60_000, { idleTimeoutMs: 1_000 });
    assertEquals((await items.next()).value, "first");
    const error = await assertRejects(() => items.next(), RpcError, "within 1000 ms");
    assertEquals(error.code, "timeout");
  });

  Deno.test(`CallContext.progress() reaches the caller from a ${isolation}`, async () => {
    await using pool = await open();
    const heard: unknown[] = [];
    const onProgress = (value: unknown) => heard.push(value);
    assertEquals(await pool.run("work", 3, { onProgress }), "done");
    assertEquals(heard, [{ step: 1, of: 3 }, { step: 2, of: 3 }, { step: 3, of: 3 }]);
  });

  Deno.test(`CallContext.progress() in a loop lets the latest pass from a ${isolation}`, async () => {
    await using pool = await open();
    const heard: unknown[] = [];
    const onProgress = (value: unknown) => heard.push(value);
    const startedAt = performance.now();
    assertEquals(await pool.run("tellMuch", 100_000, { onProgress }), 100_000);
    const mostAllowed = 64 + (performance.now() - startedAt) / 10 + 1;
    assert(heard.length <= mostAllowed, `${heard.length} came of at most ${mostAllowed}`);
    assertEquals(heard.slice(0, 64), Array.from({ length: 64 }, (_, step) => step + 1));
    assertEquals(heard.at(-1), 100_000);
  });
}

Deno.test("EncodedHandler.start() sends items as far as there are credits", async () => {
  await using pool = await openStreams();
  const { start } = insideOf(pool.handlers().count);
  const items: string[] = [];
  const { promise: twoCame, resolve } = Promise.withResolvers<void>();
  const running = start(encodedRequest("count", "4"), {
    credits: 2,
    onItem: ({ seq, body }) => {
      items.push(`${seq}: ${body}`);
      if (items.length === 2) resolve();
    },
  });
  await twoCame;
  running.grant(10);
  assertEquals((await running.reply).type, "output");
  assertEquals(items, ["0: 0", "1: 1", "2: 2", "3: 3"]);
});

function openStreams() {
  return openPool<StreamContract>("stream_worker.ts");
}

Deno.test("WorkerPool.stream() ends when its signal aborts", async () => {
  await using pool = await openStreams();
  const controller = new AbortController();
  const items = pool.stream("count", 1_000_000, { signal: controller.signal, credits: 2 });
  await items.next();
  controller.abort(new Error("enough"));
  await assertRejects(() => Array.fromAsync(items), Error, "enough");
  assertEquals((await pool.run("counters", undefined)).closed, 1);
});

Deno.test("WorkerPool.stream() refuses a procedure that is no generator", async () => {
  await using pool = await openStreams();
  const loose: WorkerPool<Record<string, (input: unknown) => Generator<unknown>>> = await openPool(
    "stream_worker.ts",
  );
  await using _ = loose;
  const error = await assertRejects(() => Array.fromAsync(loose.stream("plain", 1)), RpcError);
  assertEquals(error.code, "not-a-stream");
  await assertRejects(() => Array.fromAsync(loose.stream("rejectLater", 1)), RpcError, "later");
  assertEquals(await pool.run("plain", undefined), 1);
});

Deno.test("WorkerPool.run() refuses a generator and names stream()", async () => {
  await using pool = await openPool("stream_worker.ts");
  const error = await assertRejects(() => pool.run("count", 3), RpcRemoteError, "use stream()");
  assertEquals(error.code, "unwanted-stream");
});

Deno.test("WorkerPool.stream() rejects for an item that is not data", async () => {
  await using pool = await openStreams();
  const error = await assertRejects(
    () => Array.fromAsync(pool.stream("yieldFunction", undefined)),
    RpcRemoteError,
  );
  assertEquals(error.code, "unencodable");
});

Deno.test("WorkerPool.run() drops what a progress observer throws", async () => {
  await using pool = await openStreams();
  const onProgress = () => {
    throw new Error("an observer's own affair");
  };
  assertEquals(await pool.run("work", 2, { onProgress }), "done");
});

Deno.test("WorkerPool.stream() refuses options out of range", async () => {
  await using pool = await openStreams();
  const wrong = [
    { credits: 0 },
    { credits: 1_001 },
    { idleTimeoutMs: 0 },
    { idleTimeoutMs: 2 ** 31 },
    { priority: 10 },
  ];
  for (const options of wrong) {
    const [name] = Object.keys(options);
    const read = () => pool.stream("count", 3, options).next();
    await assertRejects(read, RangeError, `Cannot stream as "${name}" must be an integer`);
  }
});

Deno.test("The pauses of a stream's reader do not count against timeLimitMs", async () => {
  await using pool = await openPool<StreamContract>("stream_worker.ts", {
    limits: { count: { timeLimitMs: 300 }, stall: { timeLimitMs: 100 } },
  });
  const items: number[] = [];
  for await (const item of pool.stream("count", 20, { credits: 2 })) {
    if (items.push(item) === 1) await new Promise((resolve) => setTimeout(resolve, 700));
  }
  assertEquals(items.length, 20);
  // One that works is limited all the same.
  const error = await assertRejects(
    () => Array.fromAsync(pool.stream("stall", 400)),
    RpcError,
  );
  assertEquals(error.code, "timeout");
});
