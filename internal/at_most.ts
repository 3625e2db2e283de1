/** Waits that end. @module */

import { MAX_TIMEOUT_MS } from "./deadline_timer.ts";

/**
 * Waits for a promise, but no longer than so many milliseconds; `Infinity` is allowed.
 *
 * @throws What the promise rejects with, if it does so in time.
 */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  const { promise: expired, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.min(ms, MAX_TIMEOUT_MS));
  try {
    await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
