/**
 * The worker file of the demo service: `fibonacci` and `slowFibonacci`.
 *
 * @example Serving Fibonacci numbers to this process
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { WorkerPool } from "@warren/rpc/workers";
 * import type { FibonacciContract } from "@warren/rpc/workers/fibonacci";
 *
 * const url = import.meta.resolve("@warren/rpc/workers/fibonacci");
 * await using pool = await WorkerPool.open<FibonacciContract>(url, { maxWorkers: 1 });
 * assertEquals(await pool.run("fibonacci", 100), 354224848179261915075n);
 * ```
 *
 * @module
 */

import { fibonacciNumber, slowFibonacciNumber } from "./fibonacci_numbers.ts";
import { expose } from "./runtime.ts";

/** What the demo service offers. Import it as a type only: this file is for workers. */
export type FibonacciContract = {
  /**
   * The `n`th Fibonacci number, exactly, for integers from 0 to 1,000,000. From the 47,847th on it
   * has more than 10,000 digits: its reader needs `createJsonCodec({ maxDigits })`.
   */
  readonly fibonacci: (n: number) => number | bigint;
  /** The same by naive recursion, slow on purpose, for integers from 0 to 50. */
  readonly slowFibonacci: (n: number) => number;
};

const procedures: FibonacciContract = {
  fibonacci: fibonacciNumber,
  slowFibonacci: slowFibonacciNumber,
};

expose(procedures);
