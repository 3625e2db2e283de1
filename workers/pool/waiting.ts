/**
 * Waiting with an end.
 *
 * @module
 */

/**
 * Waits for a promise, but not longer than a limit. It never rejects.
 *
 * @returns Whether the promise settled in time.
 */
export async function within(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: over, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), limitMs);
  const settled = promise.then(() => true as const, () => true as const);
  try {
    return await Promise.race([settled, over]);
  } finally {
    clearTimeout(timer);
  }
}
