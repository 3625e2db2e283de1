/**
 * Options of a worker pool, checked and filled in.
 *
 * @module
 */

import type { PoolEvent } from "./pool_events.ts";

/** Options of {@linkcode WorkerPool.open}. */
export interface WorkerPoolOptions {
  /**
   * How many workers to run. More than there are cores is slower for CPU-bound work.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly size?: number;
  /**
   * The most tasks that wait for a worker; more are refused with `overloaded`.
   *
   * @default {100_000}
   */
  readonly maxBacklog?: number;
  /**
   * The most time a worker has from its start until it has called `expose()`, in milliseconds.
   *
   * @default {10_000}
   */
  readonly startTimeoutMs?: number;
  /** Hears of every change of a slot's state. What it throws is dropped. */
  readonly onEvent?: (event: PoolEvent) => void;
  /** Gives up opening, and closes what was opened. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode WorkerPool.run}. */
export interface RunOptions {
  /**
   * How long to wait for the output, in milliseconds. The task stops counting then; its worker is
   * told by `context.signal`.
   *
   * @default {undefined} As long as it takes.
   */
  readonly timeoutMs?: number;
  /** Gives up waiting. A task that has not started is not started. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode WorkerPool.close}. */
export interface PoolCloseOptions {
  /**
   * How long tasks may go on before their workers are terminated, in milliseconds.
   *
   * @default {10_000}
   */
  readonly graceMs?: number;
}

/** Options with every member set. */
export type PoolSettings = Required<Omit<WorkerPoolOptions, "signal">>;

/**
 * Checks options and fills in what is missing.
 *
 * @param options What the user set.
 * @returns The settings.
 * @throws {RangeError} If a number is out of its range.
 */
export function resolvePoolOptions(options: WorkerPoolOptions): PoolSettings {
  const {
    size = navigator.hardwareConcurrency,
    maxBacklog = 100_000,
    startTimeoutMs = 10_000,
    onEvent = () => {},
  } = options;
  requireInteger("size", size, 1);
  requireInteger("maxBacklog", maxBacklog, 0);
  requireInteger("startTimeoutMs", startTimeoutMs, 1);
  return { size, maxBacklog, startTimeoutMs, onEvent };
}

function requireInteger(name: string, value: number, min: number): void {
  if (Number.isInteger(value) && value >= min) return;
  throw new RangeError(
    `Cannot open a pool as '${name}' must be an integer of at least ${min}: ` +
      `current value is ${value}`,
  );
}
