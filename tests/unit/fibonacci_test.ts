import { assertEquals, assertRejects, assertThrows } from "../../deps/std_assert.ts";
import { RpcRemoteError } from "../../errors.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import {
  fibonacciNumber as fibonacci,
  slowFibonacciNumber as slowFibonacci,
} from "../../workers/fibonacci_numbers.ts";
import { WorkerPool } from "../../workers/mod.ts";

/** What a caller in another language may send, whatever the type says. */
const loose: Record<string, (n: unknown) => unknown> = {
  fibonacci: (n) => fibonacci(n as number),
  slowFibonacci: (n) => slowFibonacci(n as number),
};

Deno.test("fibonacci() starts with 0, 1, 1, 2, 3, 5, 8", () => {
  assertEquals([0, 1, 2, 3, 4, 5, 6].map(fibonacci), [0, 1, 1, 2, 3, 5, 8]);
});

Deno.test("fibonacci() gives the numbers of RabbitMQ's tutorial", () => {
  assertEquals(fibonacci(30), 832040);
});

Deno.test("fibonacci() is the sum of the two before, across 2^53", () => {
  for (let n = 2; n <= 300; n++) {
    assertEquals(BigInt(fibonacci(n)), BigInt(fibonacci(n - 1)) + BigInt(fibonacci(n - 2)));
  }
});

Deno.test("fibonacci() gives a bigint beyond the safe integers only", () => {
  assertEquals(fibonacci(78), 8944394323791464);
  assertEquals(fibonacci(79), 14472334024676221n);
  assertEquals(fibonacci(100), 354224848179261915075n);
});

Deno.test("fibonacci() is exact at its largest index", () => {
  const digits = String(fibonacci(1_000_000));
  assertEquals(digits.length, 208_988);
  assertEquals([digits.slice(0, 12), digits.slice(-12)], ["195328212870", "838242546875"]);
});

Deno.test("slowFibonacci() agrees with fibonacci()", () => {
  for (let n = 0; n <= 20; n++) assertEquals(slowFibonacci(n), fibonacci(n));
});

Deno.test("fibonacci() and slowFibonacci() name the bound they refuse by", () => {
  const bounds = { fibonacci: "0 to 1000000", slowFibonacci: "0 to 50" };
  for (const [name, bound] of Object.entries(bounds)) {
    for (const n of [-1, 1.5, NaN, Infinity, 1_000_001]) {
      const error = assertThrows(() => loose[name]?.(n), RangeError, `integer from ${bound}`);
      assertEquals("code" in error && error.code, "invalid-input");
    }
    for (const n of ["30", null, undefined, 30n, [30], { n: 30 }, true]) {
      const error = assertThrows(() => loose[name]?.(n), TypeError, `integer from ${bound}`);
      assertEquals("code" in error && error.code, "invalid-input");
    }
  }
});

Deno.test("fibonacci() shows the string that it refuses", () => {
  assertThrows(() => loose.fibonacci?.("30"), TypeError, 'it is the string "30"');
});

Deno.test("slowFibonacci() refuses 51", () => {
  assertThrows(() => slowFibonacci(51), RangeError, "it is 51");
});

Deno.test("fibonacci.ts serves both procedures in a worker", async () => {
  const url = import.meta.resolve("../../workers/fibonacci.ts");
  await using pool = await WorkerPool.open<FibonacciContract>(url, { maxWorkers: 1 });
  assertEquals(await pool.run("fibonacci", 100), 354224848179261915075n);
  assertEquals(await pool.run("slowFibonacci", 15), 610);
  const error = await assertRejects(() => pool.run("fibonacci", -1), RpcRemoteError, "it is -1");
  assertEquals([error.code, error.remoteName], ["invalid-input", "RangeError"]);
});
