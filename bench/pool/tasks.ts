/** The tasks that every pool in the comparison runs. */

export function add({ a, b }: { readonly a: number; readonly b: number }): number {
  return a + b;
}

/** About 2 ms for `n = 27`. */
export function fib(n: number): number {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
