/**
 * What is known of how long each procedure runs.
 *
 * @module
 */

/** The weight of the newest run: the average forgets half of the past in about 4 runs. */
const NEWEST_WEIGHT = 0.15;

/** What a procedure that never ran is taken to need, in milliseconds: too long to queue behind. */
const UNKNOWN_MS = 1_000_000;

/** A moving average of the run time of each procedure. */
export class RunTimes {
  readonly #averages = new Map<string, number>();

  /** How long the procedure will run, in milliseconds. */
  expect(procedure: string): number {
    return this.#averages.get(procedure) ?? UNKNOWN_MS;
  }

  /** Learns from one run. */
  learn(procedure: string, runMs: number): void {
    const average = this.#averages.get(procedure) ?? runMs;
    this.#averages.set(procedure, average + (runMs - average) * NEWEST_WEIGHT);
  }
}
