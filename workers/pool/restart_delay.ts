/**
 * How long to wait before a worker is started again.
 *
 * @module
 */

/** The wait before the second restart in a row; it doubles with each further. */
const FIRST_MS = 100;
const MAX_MS = 5_000;

/** Counts the deaths of workers that ran no task to its end, so that a slot does not spin. */
export class Backoff {
  #deaths = 0;

  /** A task was run to its end: the worker file works. */
  reset(): void {
    this.#deaths = 0;
  }

  /**
   * A worker has died.
   *
   * @param isNew Whether it died before it was ready; one that was is replaced at once.
   * @returns The wait before the next start, in milliseconds.
   */
  next(isNew: boolean): number {
    this.#deaths++;
    const doublings = this.#deaths - (isNew ? 1 : 2);
    return doublings < 0 ? 0 : Math.min(FIRST_MS * 2 ** doublings, MAX_MS);
  }
}
