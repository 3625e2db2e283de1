/** Notices that the broker delivers nothing though requests wait. @module */

import { sleep } from "../time.ts";

/** What an {@linkcode IntakeWatch} asks and tells. */
export interface IntakeWatchOptions {
  /** Whether the server has nothing in hand, and asks for requests. */
  readonly isIdle: () => boolean;
  /** Counts the requests that have come. */
  readonly countDeliveries: () => number;
  /** Counts the requests that wait in the queue. */
  readonly countWaiting: () => Promise<number>;
  /** Called once, if requests wait all the same. */
  readonly onStall: () => void;
  /**
   * How long nothing must have come before the queue is asked, in milliseconds.
   *
   * @default {2_000}
   */
  readonly quietMs?: number;
  /**
   * Time until it is asked once more, in milliseconds: a request may just be on its way.
   *
   * @default {500}
   */
  readonly againMs?: number;
}

/**
 * Looks at the queue of a server that has nothing to do. When the process of a quorum queue dies, what
 * it was just delivering is lost on its way, and counts against the prefetch for as long as the
 * channel lives: with little luck, the server never gets anything again.
 */
export class IntakeWatch {
  readonly #options: Required<IntakeWatchOptions>;
  readonly #stopping = new AbortController();

  constructor(options: IntakeWatchOptions) {
    this.#options = { quietMs: 2_000, againMs: 500, ...options };
  }

  /** Looks, until it is stopped or has found a stall. Never rejects. */
  async start(): Promise<void> {
    const { signal } = this.#stopping;
    const { quietMs, againMs, onStall } = this.#options;
    while (!signal.aborted) {
      // It looks twice before it says anything.
      if (await this.#isStalledFor(quietMs) && await this.#isStalledFor(againMs)) return onStall();
    }
  }

  /** Ends the watch. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Waits, then looks whether anything has come. */
  async #isStalledFor(ms: number): Promise<boolean> {
    const { signal } = this.#stopping;
    const { isIdle, countDeliveries, countWaiting } = this.#options;
    const before = countDeliveries();
    const isQuiet = () => !signal.aborted && countDeliveries() === before && isIdle();
    await sleep(ms, signal);
    try {
      return isQuiet() && await countWaiting() > 0 && isQuiet();
    } catch {
      // The queue is gone or has no leader, or the connection is being replaced.
      return false;
    }
  }
}
