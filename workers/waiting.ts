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

/** Waits for a promise, or rejects with the signal's reason as soon as it aborts. */
export async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
