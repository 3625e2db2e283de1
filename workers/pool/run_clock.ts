/**
 * The time that a worker's running task has left.
 *
 * @module
 */

import type { Task } from "./task.ts";

/** How long tasks may run. */
export interface RunLimits {
  /** How long a task may go on once nobody waits for it any more, in milliseconds. */
  readonly abortGraceMs: number;
  /** A task has run for longer than its procedure may. */
  onOverrun(task: Task, limitMs: number): void;
  /** A task goes on although it was cancelled, and its grace is over. */
  onIgnored(task: Task): void;
}

/**
 * Times one task at a time: first its limit, and once it was cancelled its grace. The time starts
 * when the task is the worker's first, not when it began to wait.
 */
export class RunClock {
  readonly #limits: RunLimits;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #task: Task | undefined;
  #isGrace = false;

  /**
   * Makes a clock that stands still.
   *
   * @param limits How long tasks may run, and what happens then.
   */
  constructor(limits: RunLimits) {
    this.#limits = limits;
  }

  /** Times this task from now on; a task that is timed already goes on. */
  watch(task: Task | undefined): void {
    if (task === this.#task && (task === undefined || task.isSettled === this.#isGrace)) return;
    this.stop();
    if (task === undefined) return;
    this.#task = task;
    this.#isGrace = task.isSettled;
    const { abortGraceMs } = this.#limits;
    if (task.isSettled) {
      this.#timer = setTimeout(() => this.#limits.onIgnored(task), abortGraceMs);
      return;
    }
    const limitMs = task.procedure.timeLimitMs;
    if (limitMs === undefined) return;
    this.#time(task, limitMs, limitMs);
  }

  /** The pauses of a stream's reader do not count. */
  #time(task: Task, limitMs: number, leftMs: number): void {
    const pausedMs = task.credits?.allPausesMs ?? 0;
    this.#timer = setTimeout(() => {
      const newPausesMs = (task.credits?.allPausesMs ?? 0) - pausedMs;
      if (newPausesMs > 0) this.#time(task, limitMs, newPausesMs);
      else this.#limits.onOverrun(task, limitMs);
    }, leftMs);
  }

  /** Times nothing any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#task = undefined;
  }
}
