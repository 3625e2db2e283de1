/** Waiting for something that nothing announces. @module */

import { pause } from "../../tools/time/waiting.ts";

const INTERVAL_MS = 5;

/**
 * Repeats an assertion until it passes.
 *
 * @param assertion What must hold in the end; it may be asynchronous.
 * @param limitMs When to give up, with the assertion's last failure.
 * @returns What the assertion returns.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  limitMs = 15_000,
): Promise<T> {
  const giveUpAt = performance.now() + limitMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
    }
    await pause(INTERVAL_MS);
  }
}

/**
 * Waits for a promise, but not for ever, so that a test which hangs says where.
 *
 * @throws {Error} If the promise does not settle in time.
 */
export async function within<T>(
  limitMs: number,
  what: string,
  promise: PromiseLike<T>,
): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Cannot go on as ${what} took longer than ${limitMs} ms`)),
    limitMs,
  );
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
