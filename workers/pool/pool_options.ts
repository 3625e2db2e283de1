/**
 * Options of a worker pool, checked and filled in.
 *
 * @module
 */

import { type Codec, jsonCodec } from "../../codec.ts";
import { checkInteger, checkOneOf } from "../../internal/check.ts";
import type { PoolEvent } from "./pool_events.ts";
import type { ProcessOptions } from "../host/process_options.ts";

/** Options of {@linkcode WorkerPool.open}. */
export interface WorkerPoolOptions {
  /**
   * What keeps tasks apart. A `thread` starts and answers fastest, but one that loops for ever
   * cannot be stopped, and one that runs out of memory ends the whole program. A `process` can be
   * killed, capped and kept from the network and the disk.
   *
   * @default {"thread"}
   */
  readonly isolation?: "thread" | "process";
  /** Permissions and more for `isolation: "process"`. */
  readonly process?: ProcessOptions;
  /**
   * The most heap that a worker may hold, in MiB. One that holds more after a task is replaced. A
   * process is also held to it by V8: a task that needs more ends its worker.
   *
   * @default {undefined} What V8 allows.
   */
  readonly maxWorkerMemoryMb?: number;
  /**
   * About how many tasks a worker runs before it is replaced, against leaks. A replacement costs
   * some 15 ms, so let it be a thousand or more.
   *
   * @default {undefined} No limit.
   */
  readonly maxTasksPerWorker?: number;
  /**
   * How many workers to run. More than there are cores is slower for CPU-bound work.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly maxWorkers?: number;
  /**
   * How many workers to keep when there is little to do; more are started when tasks wait.
   *
   * @default {maxWorkers}
   */
  readonly minWorkers?: number;
  /**
   * How long a worker beyond `minWorkers` may have nothing to do before it is ended, in milliseconds.
   *
   * @default {30_000}
   */
  readonly idleTimeoutMs?: number;
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
  /**
   * The most time a task may run, in milliseconds, not counting its wait. One that runs longer
   * fails with `timeout` and is cancelled.
   *
   * @default {undefined} No limit.
   */
  readonly timeLimitMs?: number;
  /** Limits of single procedures, by name. */
  readonly limits?: Readonly<Record<string, ProcedureLimits>>;
  /**
   * How long a cancelled task may go on before its worker is replaced, in milliseconds.
   *
   * @default {500}
   */
  readonly abortGraceMs?: number;
  /**
   * The most threads that go on after they were replaced; with so many the pool refuses tasks.
   *
   * @default {2 * maxWorkers}
   */
  readonly maxZombies?: number;
  /**
   * Encodes the inputs of `run()` and `stream()`. A binary one moves large inputs without a copy. If
   * it is not JSON, the worker file must expose its procedures with it.
   *
   * @default {jsonCodec}
   */
  readonly codec?: Codec;
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
  /**
   * Tasks of a higher priority start before others that wait.
   *
   * @default {0}
   */
  readonly priority?: number;
  /** Hears what the procedure tells by `context.progress()`. What it throws is dropped. */
  readonly onProgress?: (value: unknown) => void;
  /** Gives up waiting. A task that has not started is not started. */
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode WorkerPool.stream}. */
export interface StreamOptions extends Pick<RunOptions, "signal" | "priority" | "onProgress"> {
  /**
   * The longest wait for one item, in milliseconds. It rejects with `timeout`.
   *
   * @default {undefined} As long as it takes.
   */
  readonly idleTimeoutMs?: number;
  /**
   * How many items the task may be ahead of its reader.
   *
   * @default {64}
   */
  readonly credits?: number;
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

/** Limits of one procedure. */
export interface ProcedureLimits {
  /**
   * The most time a task of the procedure may run, in milliseconds.
   *
   * @default {undefined} The pool's `timeLimitMs`.
   */
  readonly timeLimitMs?: number;
  /**
   * The most tasks of the procedure that workers hold at a time.
   *
   * @default {undefined} No limit.
   */
  readonly maxConcurrent?: number;
}

/** Options with every member set. */
export type PoolSettings = Required<Omit<WorkerPoolOptions, Unset>> & {
  readonly maxWorkerMemoryMb: number | undefined;
  readonly maxTasksPerWorker: number | undefined;
  readonly timeLimitMs: number | undefined;
};

/** Options that are not settings, or have no value that means their absence. */
type Unset = "signal" | "maxWorkerMemoryMb" | "maxTasksPerWorker" | "timeLimitMs";

const OPEN = "open a pool";

/**
 * Checks options and fills in what is missing.
 *
 * @param options What the user set.
 * @returns The settings.
 * @throws {RangeError} If a number is out of its range.
 */
export function resolvePoolOptions(options: WorkerPoolOptions): PoolSettings {
  const {
    isolation = "thread",
    process = {},
    maxWorkerMemoryMb,
    maxTasksPerWorker,
    maxWorkers = navigator.hardwareConcurrency,
    minWorkers = maxWorkers,
    idleTimeoutMs = 30_000,
    maxBacklog = 100_000,
    startTimeoutMs = 10_000,
    timeLimitMs,
    limits = {},
    abortGraceMs = 500,
    maxZombies = 2 * maxWorkers,
    codec = jsonCodec,
    onEvent = () => {},
  } = options;
  checkInteger(OPEN, { maxWorkers, minWorkers, startTimeoutMs }, { min: 1 });
  checkInteger(OPEN, { idleTimeoutMs, maxBacklog, abortGraceMs, maxZombies }, { min: 0 });
  checkInteger(OPEN, { timeLimitMs, maxTasksPerWorker }, { min: 1 });
  checkInteger(OPEN, { maxWorkerMemoryMb }, { min: 16 });
  checkOneOf(OPEN, { isolation }, ["thread", "process"]);
  return {
    isolation,
    process,
    maxWorkerMemoryMb,
    maxTasksPerWorker,
    maxWorkers,
    minWorkers: Math.min(minWorkers, maxWorkers),
    idleTimeoutMs,
    maxBacklog,
    startTimeoutMs,
    timeLimitMs,
    // A prototype would lend its own properties to procedures of the same names.
    limits: Object.assign(Object.create(null), limits),
    abortGraceMs,
    maxZombies,
    codec,
    onEvent,
  };
}
