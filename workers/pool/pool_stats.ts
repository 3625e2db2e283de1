/**
 * What a pool tells of itself when asked.
 *
 * @module
 */

import type { Task } from "./task.ts";

/** What a histogram knows, in milliseconds. */
export interface HistogramSummary {
  /** How many durations there were. */
  readonly count: number;
  /** The mean. */
  readonly mean: number;
  /** Half of them were shorter, to within 10 %. */
  readonly p50: number;
  /** 99 % of them were shorter, to within 10 %. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

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
  start({ procedure, submittedAt }: Task): void {
    this.held++;
    procedure.held++;
    this.#waitMs.add(performance.now() - submittedAt);
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

/** Classes per doubling: each is wider than the one before by 9 %. */
const CLASSES_PER_DOUBLING = 8;
/** The end of the first class, in milliseconds: a microsecond. */
const FIRST_MS = 0.001;
/** Durations from a microsecond to about 18 minutes; longer ones count as that. */
const CLASSES = 30 * CLASSES_PER_DOUBLING;

/** Counts durations in constant memory, in half the time that `createHistogram()` of Node takes. */
class Histogram {
  readonly #counts = new Uint32Array(CLASSES);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** Adds a duration, in milliseconds. */
  add(ms: number): void {
    const index = Math.ceil(Math.log2(ms / FIRST_MS) * CLASSES_PER_DOUBLING);
    const inRange = Math.min(Math.max(index, 0), CLASSES - 1);
    this.#counts[inRange] = (this.#counts[inRange] ?? 0) + 1;
    this.#count++;
    this.#sum += ms;
    this.#max = Math.max(this.#max, ms);
  }

  /** What is known so far. */
  summary(): HistogramSummary {
    const mean = this.#count === 0 ? 0 : this.#sum / this.#count;
    const [p50, p99] = [this.#quantile(0.5), this.#quantile(0.99)];
    return { count: this.#count, mean, p50, p99, max: this.#max };
  }

  #quantile(share: number): number {
    let left = share * this.#count;
    for (const [index, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) {
        return Math.min(FIRST_MS * 2 ** (index / CLASSES_PER_DOUBLING), this.#max);
      }
    }
    return this.#max;
  }
}
