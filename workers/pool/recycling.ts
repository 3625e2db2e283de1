/**
 * How worn a worker is.
 *
 * @module
 */

/** Workers that started together are not to be replaced together. */
const JITTER = 0.1;

/** Counts what one worker has done, and tells when it should make way for a fresh one. */
export class Wear {
  readonly #maxTasks: number | undefined;
  readonly #maxMemoryMb: number | undefined;
  #tasksLeft = Infinity;
  #isWorn = false;

  /**
   * Makes the wear of a fresh worker.
   *
   * @param maxTasks The most tasks, about; absent is no limit.
   * @param maxMemoryMb The most memory, in MiB; absent is no limit.
   */
  constructor(maxTasks: number | undefined, maxMemoryMb: number | undefined) {
    this.#maxTasks = maxTasks;
    this.#maxMemoryMb = maxMemoryMb;
    this.reset();
  }

  /** Begins again, with a fresh worker. */
  reset(): void {
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#tasksLeft = this.#maxTasks === undefined ? Infinity : Math.ceil(this.#maxTasks * jitter);
    this.#isWorn = false;
  }

  /**
   * Counts a task.
   *
   * @param memoryMb What the worker says it holds, if it says so.
   * @returns Whether the worker is worn since this task.
   */
  add(memoryMb: number | undefined): boolean {
    this.#tasksLeft--;
    const isHeavy = memoryMb !== undefined && this.#maxMemoryMb !== undefined &&
      memoryMb > this.#maxMemoryMb;
    if (this.#isWorn || (this.#tasksLeft > 0 && !isHeavy)) return false;
    this.#isWorn = true;
    return true;
  }
}
