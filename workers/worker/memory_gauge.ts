/**
 * How much memory a worker holds.
 *
 * @module
 */

/** Looking costs some microseconds, so it is done at most so often, in milliseconds. */
const INTERVAL_MS = 250;

/** Looks at the heap of this thread now and then. */
export class MemoryGauge {
  #lookedAt = -Infinity;

  /**
   * What a reply says of memory.
   *
   * @param now The time on the clock of `performance.now()`.
   * @returns The heap in MiB; empty if it was looked at a moment ago.
   */
  measure(now: number): { readonly memoryMb?: number } {
    if (now - this.#lookedAt < INTERVAL_MS) return {};
    this.#lookedAt = now;
    return { memoryMb: Deno.memoryUsage().heapUsed / 2 ** 20 };
  }
}
