/**
 * When the worker of a slot makes way for another, and how long that one waits.
 *
 * @module
 */

/** Workers that started together are not to be replaced together. */
const JITTER = 0.1;

/** The wait before the second start in a row that came to nothing; it doubles with each further. */
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/** Counts what the workers of one slot have done. */
export class Replacement {
  readonly #maxTasks: number | undefined;
  readonly #maxMemoryMb: number | undefined;
  #tasksLeft = Infinity;
  #isDue = false;
  /** Deaths since a task was last run to its end, so that a slot does not spin. */
  #deaths = 0;

  /**
   * Makes the count of a slot without a worker.
   *
   * @param maxTasks The most tasks that a worker runs, about; absent is no limit.
   * @param maxMemoryMb The most memory that it may hold, in MiB; absent is no limit.
   */
  constructor(maxTasks: number | undefined, maxMemoryMb: number | undefined) {
    this.#maxTasks = maxTasks;
    this.#maxMemoryMb = maxMemoryMb;
  }

  /** A fresh worker is ready. */
  onReady(): void {
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#tasksLeft = this.#maxTasks === undefined ? Infinity : Math.ceil(this.#maxTasks * jitter);
    this.#isDue = false;
  }

  /**
   * The worker has run a task to its end.
   *
   * @param memoryMb What the worker says it holds, if it says so.
   * @returns Whether it should be replaced since this task.
   */
  onTask(memoryMb: number | undefined): boolean {
    this.#deaths = 0;
    this.#tasksLeft--;
    const isHeavy = memoryMb !== undefined && this.#maxMemoryMb !== undefined &&
      memoryMb > this.#maxMemoryMb;
    if (this.#isDue || (this.#tasksLeft > 0 && !isHeavy)) return false;
    this.#isDue = true;
    return true;
  }

  /**
   * The worker has died.
   *
   * @param wasReady Whether it was ready for tasks; one that was is replaced at once.
   * @returns The wait before the next start, in milliseconds.
   */
  onDeath(wasReady: boolean): number {
    this.#deaths++;
    const doublings = this.#deaths - (wasReady ? 2 : 1);
    return doublings < 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** doublings, MAX_DELAY_MS);
  }
}
