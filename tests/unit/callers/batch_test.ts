import {
  assertEquals,
  assertLessOrEqual,
  assertRejects,
  assertStrictEquals,
} from "../../../deps/std_assert.ts";
import { fc } from "../../../deps/fast_check.ts";
import { inOrder } from "../../../internal/callers/batch.ts";

/** Operations that end when their test says so. */
class Operations {
  readonly started: number[] = [];
  readonly #ends = new Map<number, PromiseWithResolvers<number>>();

  readonly start = (input: number): Promise<number> => {
    this.started.push(input);
    return this.end(input).promise;
  };

  end(input: number): PromiseWithResolvers<number> {
    return this.#ends.getOrInsertComputed(input, () => Promise.withResolvers());
  }
}

/** Lets everything happen that waits for nothing but its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("inOrder() yields outputs in the order of their inputs", async () => {
  const operations = new Operations();
  const outputs = Array.fromAsync(
    inOrder([1, 2, 3], () => ({ concurrency: 3, start: operations.start })),
  );
  await turn();
  for (const input of [3, 1, 2]) operations.end(input).resolve(10 * input);
  assertEquals(await outputs, [10, 20, 30]);
});

Deno.test("inOrder() yields nothing for no inputs", async () => {
  assertEquals(
    await Array.fromAsync(inOrder([], () => ({ concurrency: 1, start: () => Promise.resolve(1) }))),
    [],
  );
});

Deno.test("inOrder() runs so many at a time and no more", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      async (turns, concurrency) => {
        let running = 0;
        let most = 0;
        const outputs = inOrder(
          turns.entries(),
          () => ({
            concurrency,
            start: async ([index, turns]) => {
              most = Math.max(most, ++running);
              for (let left = turns; left > 0; left--) await turn();
              running--;
              return index;
            },
          }),
        );
        assertEquals(await Array.fromAsync(outputs), [...turns.keys()]);
        assertEquals(most, Math.min(concurrency, turns.length));
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("inOrder() fills the places behind a slow operation", async () => {
  const operations = new Operations();
  const inputs = Array.from({ length: 20 }, (_, n) => n);
  const outputs = Array.fromAsync(
    inOrder(inputs, () => ({ concurrency: 2, start: operations.start })),
  );
  for (const input of [1, 2, 3]) {
    await turn();
    operations.end(input).resolve(input);
  }
  await turn();
  assertEquals(operations.started, [0, 1, 2, 3]);
  for (const input of inputs) operations.end(input).resolve(input);
  assertEquals(await outputs, inputs);
});

Deno.test("inOrder() ends with the first failure, whatever its place", async () => {
  const operations = new Operations();
  const outputs = Array.fromAsync(
    inOrder([1, 2, 3, 4], () => ({ concurrency: 2, start: operations.start })),
  );
  await turn();
  operations.end(2).reject(new Error("second"));
  await assertRejects(() => outputs, Error, "second");
  operations.end(1).reject(new Error("nobody sees this"));
  await turn();
});

Deno.test("inOrder() yields what was done before the failure", async () => {
  const operations = new Operations();
  const outputs = inOrder([1, 2, 3], () => ({ concurrency: 3, start: operations.start }));
  const first = outputs.next();
  await turn();
  operations.end(1).resolve(1);
  operations.end(2).reject(new Error("second"));
  assertEquals(await first, { done: false, value: 1 });
  await assertRejects(() => outputs.next(), Error, "second");
  assertEquals(await outputs.next(), { done: true, value: undefined });
});

Deno.test("inOrder() takes no more inputs after a failure", async () => {
  const operations = new Operations();
  const inputs = Array.from({ length: 20 }, (_, n) => n);
  const outputs = Array.fromAsync(
    inOrder(inputs, () => ({ concurrency: 2, start: operations.start })),
  );
  await turn();
  operations.end(0).reject(new Error("first"));
  await assertRejects(() => outputs, Error, "first");
  const started = operations.started.length;
  for (const input of inputs) operations.end(input).resolve(input);
  await turn();
  // A place that becomes free is given away before its failure is known.
  assertLessOrEqual(started, 3);
  assertLessOrEqual(operations.started.length, 4);
});

Deno.test("inOrder() yields an output before the next input comes", async () => {
  const second = Promise.withResolvers<number>();
  async function* inputs() {
    yield 1;
    yield await second.promise;
  }
  const outputs = inOrder(
    inputs(),
    () => ({ concurrency: 8, start: (input) => Promise.resolve(input) }),
  );
  assertEquals(await outputs.next(), { done: false, value: 1 });
  second.resolve(2);
  assertEquals(await outputs.next(), { done: false, value: 2 });
  assertEquals(await outputs.next(), { done: true, value: undefined });
});

Deno.test("inOrder() fails while it waits for an input", async () => {
  async function* inputs() {
    yield 1;
    await new Promise(() => {});
  }
  const outputs = inOrder(
    inputs(),
    () => ({ concurrency: 8, start: () => Promise.reject(new Error("first")) }),
  );
  await assertRejects(() => outputs.next(), Error, "first");
});

Deno.test("inOrder() fails with what its inputs throw", async () => {
  const reason = new Error("no more inputs");
  function* inputs() {
    yield 1;
    throw reason;
  }
  const outputs = inOrder(
    inputs(),
    () => ({ concurrency: 8, start: () => new Promise<never>(() => {}) }),
  );
  assertStrictEquals(await outputs.next().catch((error) => error), reason);
});

Deno.test("inOrder() ends its inputs when its reader leaves", async () => {
  let isEnded = false;
  function* inputs() {
    try {
      for (let input = 0;; input++) yield input;
    } finally {
      isEnded = true;
    }
  }
  for await (
    const output of inOrder(inputs(), () => ({
      concurrency: 2,
      start: (input) => Promise.resolve(input),
    }))
  ) {
    if (output === 3) break;
  }
  await turn();
  assertEquals(isEnded, true);
});

Deno.test("inOrder() starts nothing before it is read", async () => {
  const operations = new Operations();
  const outputs = inOrder([1], () => ({ concurrency: 1, start: operations.start }));
  await turn();
  assertEquals(operations.started, []);
  await outputs.return();
});
