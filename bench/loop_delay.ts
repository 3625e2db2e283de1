/** How late an event loop is. @module */

import { quantile } from "../tools/measuring/quantile.ts";

/** How often it is looked, in milliseconds. */
const INTERVAL_MS = 5;

/** What a summary tells, in milliseconds. */
export interface DelaySummary {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How late timers fire. (`monitorEventLoopDelay()` of Deno 2.9 does not see a loop that is blocked.) */
export class LoopDelay {
  readonly #delays: number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Looks from now on. */
  start(): void {
    this.#delays.length = 0;
    this.#wait();
  }

  /** Looks no more; tells how late timers were. */
  stop(): DelaySummary {
    clearTimeout(this.#timer);
    return summarize(this.#delays);
  }

  #wait(): void {
    const dueAt = performance.now() + INTERVAL_MS;
    this.#timer = setTimeout(() => {
      // A timer that was due in the middle of a long delay would have been late, too.
      for (let late = performance.now() - dueAt; late > 0; late -= INTERVAL_MS) {
        this.#delays.push(late);
      }
      this.#wait();
    }, INTERVAL_MS);
  }
}

/** The quantiles of durations, at least one. */
export function summarize(durations: readonly number[]): DelaySummary {
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(durations, share));
  return { p50: p50 ?? NaN, p99: p99 ?? NaN, max: max ?? NaN };
}
