/** Waiting that can be interrupted, for tools, tests and whatever measures. @module */

const INTERVAL_MS = 20;

/** Waits, at most until the signal aborts: then it rejects with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.reject(signal.reason);
  const stop = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", stop);
    resolve();
  }, ms);
  signal?.addEventListener("abort", stop, { once: true });
  return promise;
}

/** Options of {@linkcode until}. */
export interface UntilOptions {
  /** When to stop waiting, in milliseconds. */
  readonly limitMs: number;
  /** Ends the wait with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until something holds that nothing announces.
 *
 * @returns Whether it did before the limit.
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  { limitMs, signal }: UntilOptions,
): Promise<boolean> {
  const giveUpAt = performance.now() + limitMs;
  while (!await holds()) {
    if (performance.now() > giveUpAt) return false;
    await pause(INTERVAL_MS, signal);
  }
  return true;
}
