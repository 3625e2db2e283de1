/**
 * When tasks leave for their workers.
 *
 * @module
 */

/** After so many turns in a row with one task each, there is but one caller again. */
const MAX_LONE_TURNS = 16;

/**
 * Decides between speed and economy. Tasks that leave together in one `postMessage` cost a third of
 * tasks that leave alone, so a busy pool waits for the end of each turn of the event loop: the
 * callers that a batch of replies wakes come with their next tasks some microtasks later. A single
 * caller has nothing to wait for, and would lose 4 µs of each round trip.
 */
export class FlushTiming {
  readonly #flush: () => number;
  /** What happens next; `flushed` until replies come, if one flush was at once. */
  #state: "rested" | "flushed" | "due" | "due again" = "rested";
  /** So many turns more wait for their end. */
  #turnsToWait = 0;

  /**
   * Makes a timing with nothing due.
   *
   * @param flush Sends what waits; returns how many tasks that were.
   */
  constructor(flush: () => number) {
    this.#flush = flush;
  }

  /** Replies have come. */
  beginTurn(): void {
    if (this.#state === "flushed") this.#state = "rested";
    else if (this.#state === "due again") this.#state = "due";
  }

  /** There is something to send. */
  due(): void {
    if (this.#state === "due" || this.#state === "due again") return;
    this.#state = this.#state === "flushed" ? "due again" : "due";
    if (this.#turnsToWait > 0) setImmediate(() => this.#flushTurn());
    else queueMicrotask(() => this.#flushAtOnce());
  }

  #flushTurn(): void {
    this.#state = this.#state === "due again" ? "flushed" : "rested";
    if (this.#flush() > 1) this.#turnsToWait = MAX_LONE_TURNS;
    else this.#turnsToWait--;
  }

  /** Two tasks at once, or two flushes between replies, show that there is more than one caller. */
  #flushAtOnce(): void {
    const isAgain = this.#state === "due again";
    this.#state = "flushed";
    if (this.#flush() > 1 || isAgain) this.#turnsToWait = MAX_LONE_TURNS;
  }
}
