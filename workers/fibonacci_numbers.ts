/**
 * Fibonacci numbers, fast and slow on purpose.
 *
 * @module
 */

/** The largest index that {@linkcode fibonacciNumber} takes: the number has 208,988 digits. */
export const MAX_FIBONACCI = 1_000_000;

/** The largest index that {@linkcode slowFibonacciNumber} takes: it keeps a core busy for minutes. */
export const MAX_SLOW_FIBONACCI = 50;

/**
 * Computes a Fibonacci number exactly, by fast doubling.
 *
 * @param n The index, an integer from 0 to {@linkcode MAX_FIBONACCI}.
 * @returns The number: a `bigint` if it is outside the safe integers.
 * @throws {TypeError} With code `invalid-input`, if `n` is not a number.
 * @throws {RangeError} With code `invalid-input`, if `n` is not an integer in that range.
 */
export function fibonacciNumber(n: number): number | bigint {
  requireIndex("fibonacci", n, MAX_FIBONACCI);
  let [a, b] = [0n, 1n];
  for (const bit of n.toString(2)) {
    // F(2k) = F(k) · (2 F(k+1) − F(k)) and F(2k+1) = F(k)² + F(k+1)²
    const [even, odd] = [a * (2n * b - a), a * a + b * b];
    [a, b] = bit === "1" ? [odd, even + odd] : [even, odd];
  }
  return a <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(a) : a;
}

/**
 * Computes a Fibonacci number by naive recursion, which keeps one core busy on purpose.
 *
 * @param n The index, an integer from 0 to {@linkcode MAX_SLOW_FIBONACCI}.
 * @returns The number.
 * @throws {TypeError} With code `invalid-input`, if `n` is not a number.
 * @throws {RangeError} With code `invalid-input`, if `n` is not an integer in that range.
 */
export function slowFibonacciNumber(n: number): number {
  requireIndex("slowFibonacci", n, MAX_SLOW_FIBONACCI);
  return recurse(n);
}

function recurse(n: number): number {
  return n < 2 ? n : recurse(n - 1) + recurse(n - 2);
}

/** A caller in any language may send anything, so the declared type proves nothing. */
function requireIndex(name: string, n: unknown, max: number): void {
  if (typeof n === "number" && Number.isInteger(n) && n >= 0 && n <= max) return;
  const message = `Cannot compute ${name}(n) as n must be an integer from 0 to ${max}: it is ${
    show(n)
  }`;
  const error = typeof n === "number" ? new RangeError(message) : new TypeError(message);
  throw Object.assign(error, { code: "invalid-input" });
}

function show(value: unknown): string {
  if (typeof value === "string") return `the string ${JSON.stringify(shorten(value))}`;
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? "an array" : "an object";
  }
  return shorten(String(value));
}

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
