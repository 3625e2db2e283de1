/** Delays between attempts: exponential backoff with full jitter. @module */

/** Bounds of {@linkcode backoffMs}. */
export interface BackoffOptions {
  /** Upper bound of the first delay, in milliseconds. */
  readonly firstMs: number;
  /** Upper bound of every delay, in milliseconds. */
  readonly maxMs: number;
  /** Lower bound of every delay, in milliseconds. */
  readonly minMs: number;
}

/**
 * Tells how long to wait before an attempt.
 *
 * @param attempt The number of the attempt, from 1.
 * @param options The bounds.
 * @returns A random delay in milliseconds.
 */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const { firstMs, maxMs, minMs } = options;
  const bound = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(minMs + Math.random() * Math.max(0, bound - minMs));
}
