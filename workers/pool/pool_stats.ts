/**
 * What a pool tells of itself when asked.
 *
 * @module
 */

import { Histogram, type HistogramSummary } from "../../internal/histogram.ts";
import type { Task } from "./task.ts";

export type { HistogramSummary } from "../../internal/histogram.ts";

/** What a pool is doing, and what it has done since it was opened. */
export interface PoolStats {
  /** Workers that wait for a task. */
  readonly idle: number;
  /** Workers that hold tasks. */
  readonly busy: number;
  /** Workers that are not ready yet. */
  readonly starting: number;
  /** Slots whose worker died, and that wait before they start the next. */
  readonly crashed: number;
  /** Threads that were replaced because they ran on, and still do. */
  readonly zombies: number;
  /** Tasks that wait for a worker. */
  readonly backlog: number;
  /** Tasks that gave an output. */
  readonly done: number;
  /** Tasks that gave an error reply. */
  readonly failed: number;
  /** Tasks that were cancelled: aborted, or over their time. */
  readonly cancelled: number;
  /** Workers that died. */
  readonly crashes: number;
  /** How long tasks waited for a worker. */
  readonly waitMs: HistogramSummary;
  /** How long tasks ran, decoding and encoding included. */
  readonly runMs: HistogramSummary;
}

/** Counts the tasks of one pool. */
export class TaskCounts {
  /** Tasks that were cancelled. */
  cancelled = 0;
  /** Workers that died. */
  crashes = 0;
  /** Tasks that workers hold. */
  held = 0;
  #done = 0;
  #failed = 0;
  readonly #waitMs = new Histogram();
  readonly #runMs = new Histogram();

  /** A worker got a task. */
  start(task: Task): void {
    this.held++;
    task.procedure.held++;
    task.heldAt = performance.now();
    this.#waitMs.add(task.heldAt - task.submittedAt);
  }

  /** No worker holds the task any more. */
  leave({ procedure }: Task): void {
    this.held--;
    procedure.held--;
  }

  /** A task was run to its end. */
  finish(type: "output" | "error", runMs: number): void {
    if (type === "output") this.#done++;
    else this.#failed++;
    this.#runMs.add(runMs);
  }

  /** The counts so far. */
  read(): Pick<
    PoolStats,
    "done" | "failed" | "cancelled" | "crashes" | "waitMs" | "runMs"
  > {
    return {
      done: this.#done,
      failed: this.#failed,
      cancelled: this.cancelled,
      crashes: this.crashes,
      waitMs: this.#waitMs.summary(),
      runMs: this.#runMs.summary(),
    };
  }
}
