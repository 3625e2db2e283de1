/** One timer for many deadlines: a timer per call would cost a twentieth of its round trip. @module */

/** Longest timer: beyond it `setTimeout` fires at once. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

/**
 * Tells when the earliest of many deadlines has passed. They are moments of `performance.now()`, as
 * nobody sets that clock back.
 */
export class DeadlineTimer {
  readonly #onDue: () => number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;

  /**
   * Makes a timer that is not running.
   *
   * @param onDue Ends whatever is due; returns the next deadline, if any.
   */
  constructor(onDue: () => number | undefined) {
    this.#onDue = onDue;
  }

  /** Takes care that `onDue` is called no later than at this moment. */
  schedule(deadline: number): void {
    // A timer that is set earlier finds nothing due and is set anew: cheaper than to keep it exact.
    if (deadline >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = deadline;
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, deadline - performance.now()));
  }

  /** Ends the timer. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Infinity;
  }

  #fire(): void {
    this.#dueAt = Infinity;
    const next = this.#onDue();
    if (next !== undefined) this.schedule(next);
  }
}
