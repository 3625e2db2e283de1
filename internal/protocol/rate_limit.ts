/** How often something may happen. @module */

import { RecentMap } from "../recent_map.ts";

/** Options of a {@linkcode RateLimit}. */
export interface RateLimitOptions {
  /** How often in a second, in the long run. */
  readonly perSecond: number;
  /** How often at once, after a while of nothing. */
  readonly burst: number;
}

/** Lets things happen at a rate, for each of many by its name (generic cell rate algorithm). */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  /** When the next would be due if all came evenly, on the clock of `performance.now()`. */
  readonly #dueAt = new RecentMap<number>();

  constructor({ perSecond, burst }: RateLimitOptions) {
    this.#intervalMs = 1_000 / perSecond;
    this.#burstMs = this.#intervalMs * (burst - 1);
  }

  /**
   * Counts one more.
   *
   * @param name Whose it is.
   * @param now By `performance.now()`.
   * @returns Whether it may happen.
   */
  admits(name: string, now: number = performance.now()): boolean {
    const dueAt = Math.max(now, this.#dueAt.get(name) ?? 0);
    if (dueAt - now > this.#burstMs) return false;
    this.#dueAt.set(name, dueAt + this.#intervalMs);
    return true;
  }
}
