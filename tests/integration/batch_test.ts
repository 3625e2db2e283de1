import {
  type BatchOptions,
  type CallContext,
  type CallOptions,
  RpcError,
  RpcTimeoutError,
} from "../../mod.ts";
import { assertEquals, assertLess, assertRejects } from "../../deps/std_assert.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const handlers = {
  square: (n: number) => n * n,
  greet: (name: string) => `Hello, ${name}`,
  fail() {
    throw new RpcError("planned", "Cannot succeed as it is planned so");
  },
  /** Works until nobody waits for it any more. */
  hang(_: unknown, { signal }: { readonly signal: AbortSignal }) {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    return promise;
  },
};

Deno.test("RpcClient.map() yields outputs in the order of the inputs", async () => {
  await using pair = await startPair(handlers);
  const inputs = Array.from({ length: 300 }, (_, n) => n);
  const outputs = await Array.fromAsync(pair.client.map("square", inputs));
  assertEquals(outputs, inputs.map((n) => n * n));
  assertEquals(pair.client.pending, 0);
});

Deno.test("RpcClient.map() has no more calls under way than it may", async () => {
  await using pair = await startPair(handlers);
  let most = 0;
  for await (const _ of pair.client.map("square", Array(50).fill(2), { concurrency: 3 })) {
    most = Math.max(most, pair.client.pending);
  }
  assertLess(most, 4);
});

Deno.test("RpcClient.map() takes inputs as they come", async () => {
  await using pair = await startPair(handlers);
  const outputs: unknown[] = [];
  async function* inputs() {
    for (const n of [1, 2, 3]) {
      yield n;
      await eventually(() => assertEquals(outputs.length, n));
    }
  }
  for await (const output of pair.client.map("square", inputs())) outputs.push(output);
  assertEquals(outputs, [1, 4, 9]);
});

Deno.test("RpcClient.map() cancels what is under way when left", async () => {
  const wait = (n: number, context: CallContext) => n === 0 ? "first" : handlers.hang(n, context);
  await using pair = await startPair({ wait });
  for await (const output of pair.client.map("wait", [0, 1, 2])) {
    assertEquals(output, "first");
    await eventually(() => assertEquals(pair.server.stats().active, 2));
    break;
  }
  assertEquals(pair.client.pending, 0);
  await eventually(() => assertEquals(pair.server.stats().cancelled, 2));
});

Deno.test("RpcClient.callAll() resolves with all outputs in order", async () => {
  await using pair = await startPair(handlers);
  const { client } = pair;
  assertEquals(await client.callAll([["square", 3], ["greet", "Ada"], ["square", 4]]), [
    9,
    "Hello, Ada",
    16,
  ]);
  assertEquals(await client.callAll([]), []);
});

Deno.test("RpcClient.callAll() rejects at once and cancels the rest", async () => {
  await using pair = await startPair(handlers);
  const calls = [["hang", 1], ["hang", 2], ["fail", 3], ["hang", 4]] as const;
  const error = await assertRejects(() => pair.client.callAll(calls), RpcError);
  assertEquals([error.code, pair.client.pending], ["planned", 0]);
  await eventually(() => assertEquals(pair.server.stats().cancelled, 3));
  assertEquals(pair.server.stats().active, 0);
});

Deno.test("RpcClient.callAll() gives all its calls one deadline", async () => {
  await using pair = await startPair(handlers);
  const options = { timeoutMs: 200, concurrency: 1 };
  const calls = [["square", 1], ["hang", 2], ["square", 3]] as const;
  const startedAt = performance.now();
  await assertRejects(() => pair.client.callAll(calls, options), RpcTimeoutError);
  assertLess(performance.now() - startedAt, 2 * options.timeoutMs);
});

Deno.test("RpcClient's batches tell of their own time when it is over", async () => {
  await using pair = await startPair(handlers);
  const calls = [["square", 1], ["hang", 2]] as const;
  const options = { timeoutMs: 150, concurrency: 1 };
  for (
    const batch of [
      () => pair.client.callAll(calls, options),
      () => Array.fromAsync(pair.client.map("hang", [1], options)),
    ]
  ) {
    const error = await assertRejects(batch, RpcTimeoutError, "within 150 ms");
    assertEquals([error.procedure, error.timeoutMs], ["hang", 150]);
  }
});

Deno.test("RpcClient.map() leaves its reader as much time as it wants", async () => {
  await using pair = await startPair(handlers, { client: { timeoutMs: 250 } });
  const outputs: unknown[] = [];
  // Six calls one after the other, and a reader that takes longer than any of them may.
  for await (const output of pair.client.map("square", [1, 2, 3, 4, 5, 6], { concurrency: 1 })) {
    outputs.push(output);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  assertEquals(outputs, [1, 4, 9, 16, 25, 36]);
  await assertRejects(() => Array.fromAsync(pair.client.map("hang", [1])), RpcTimeoutError);
});

Deno.test("RpcClient.callAll() ends when its signal aborts", async () => {
  await using pair = await startPair(handlers);
  const controller = new AbortController();
  const calls = [["hang", 1], ["hang", 2]] as const;
  const all = assertRejects(() => pair.client.callAll(calls, controller), Error, "enough");
  await eventually(() => assertEquals(pair.server.stats().active, 2));
  controller.abort(new Error("enough"));
  await all;
  await eventually(() => assertEquals(pair.server.stats().cancelled, 2));
});

Deno.test("RpcClient's batches refuse a concurrency that is none", async () => {
  await using pair = await startPair(handlers);
  for (const concurrency of [0, 1.5, NaN]) {
    await assertRejects(() => pair.client.callAll([], { concurrency }), RangeError, "concurrency");
    const batch = pair.client.map("square", [], { concurrency });
    await assertRejects(() => batch.next(), RangeError, "concurrency");
  }
});

Deno.test("RpcClient's batches refuse options that are of one call", async () => {
  await using pair = await startPair(handlers);
  // As callers without a compiler give them.
  const wrong: readonly (BatchOptions & CallOptions)[] = [
    { idempotencyKey: "order-1" },
    { idempotent: false },
    { immediate: true },
    { priority: 1 },
    { onProgress: () => {} },
  ];
  for (const options of wrong) {
    const message = `Cannot call as "${Object.keys(options)[0]}" must be left out`;
    await assertRejects(() => pair.client.callAll([["square", 2]], options), TypeError, message);
    await assertRejects(() => pair.client.map("square", [2], options).next(), TypeError, message);
  }
});
