/** Notices that the broker delivers nothing though requests wait. @module */

import { sleep, waitAtMost } from "../time.ts";

/** What an {@linkcode IntakeWatch} asks and tells. */
export interface IntakeWatchOptions {
  /** Whether the server has nothing in hand, and asks for requests. */
  readonly isIdle: () => boolean;
  /** Counts the requests that have come. */
  readonly countDeliveries: () => number;
  /** Counts the requests that wait in the queue. */
  readonly countWaiting: () => Promise<number>;
  /** Whether the broker reads nothing of the connection, and has said so. */
  readonly isBlocked: () => boolean;
  /** Called once, if requests wait all the same, or the broker does not answer. */
  readonly onStall: (reason: StallReason) => void;
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
  /**
   * How long its answer is waited for, in milliseconds.
   *
   * @default {15_000}
   */
  readonly answerMs?: number;
}

/** What is wrong. */
export type StallReason = "undelivered" | "unanswered";

/**
 * Looks at the queue of a server that has nothing to do. When the process of a quorum queue dies, what
 * it was just delivering is lost on its way, and counts against the prefetch for as long as the
 * channel lives: with little luck, the server never gets anything again. Nor does it once the size of a
 * frame was damaged on its way: all that comes is taken for the rest of it, heartbeats, too.
 */
export class IntakeWatch {
  readonly #options: Required<IntakeWatchOptions>;
  readonly #stopping = new AbortController();

  constructor(options: IntakeWatchOptions) {
    this.#options = { quietMs: 2_000, againMs: 500, answerMs: 15_000, ...options };
  }

  /** Looks, until it is stopped or has found a stall. Never rejects. */
  async start(): Promise<void> {
    const { signal } = this.#stopping;
    const { quietMs, againMs, onStall } = this.#options;
    while (!signal.aborted) {
      // It looks twice before it says anything.
      const reason = await this.#stallOf(quietMs) && await this.#stallOf(againMs);
      if (reason !== undefined) return onStall(reason);
    }
  }

  /** Ends the watch. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Waits, then looks whether anything has come. */
  async #stallOf(ms: number): Promise<StallReason | undefined> {
    const { signal } = this.#stopping;
    const { isIdle, isBlocked, countDeliveries, countWaiting, answerMs } = this.#options;
    const before = countDeliveries();
    const isQuiet = () => !signal.aborted && countDeliveries() === before && isIdle();
    await sleep(ms, signal);
    if (!isQuiet()) return undefined;
    try {
      const waiting = countWaiting();
      if (await waitAtMost(answerMs, waiting)) {
        return await waiting > 0 && isQuiet() ? "undelivered" : undefined;
      }
      return isQuiet() && !isBlocked() ? "unanswered" : undefined;
    } catch {
      // The queue is gone or has no leader, or the connection is being replaced.
      return undefined;
    }
  }
}
