/**
 * Options of a worker pool, checked and filled in.
 *
 * @module
 */

import type { Codec } from "../../codec.ts";
import {
  checkCodecs,
  checkInteger,
  checkName,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkTexts,
  checkType,
  type Complete,
} from "../../internal/check.ts";
import { MAX_CREDITS } from "../../internal/encoded_reply.ts";
import { MAX_TIMEOUT_MS } from "../../internal/time.ts";
import { checkProcessOptions, type ProcessOptions } from "../host/process_options.ts";
import type { PoolEvent } from "./pool_events.ts";

/** Options of {@linkcode WorkerPool.open}. */
export interface WorkerPoolOptions {
  /**
   * The names of procedures that the worker file must expose: a contract alone says so to the compiler
   * only.
   *
   * @default {none}
   */
  readonly expect?: readonly string[] | undefined;
  /**
   * What keeps tasks apart. A `thread` starts and answers fastest, but one that loops for ever
   * cannot be stopped, and one that runs out of memory ends the whole program. A `process` can be
   * killed, capped and kept from the network and the disk.
   *
   * @default {"thread"}
   */
  readonly isolation?: "thread" | "process" | undefined;
  /** Permissions and more for `isolation: "process"`. */
  readonly process?: ProcessOptions | undefined;
  /**
   * The most heap that a worker may hold, in MiB, from 16 on. One that holds more after a task is
   * replaced. A process is also held to it by V8: a task that needs more ends its worker.
   *
   * @default {undefined} What V8 allows.
   */
  readonly maxWorkerMemoryMb?: number | undefined;
  /**
   * About how many tasks a worker runs before it is replaced, against leaks, from 1 on. A
   * replacement costs some 15 ms, so let it be a thousand or more.
   *
   * @default {undefined} No limit.
   */
  readonly maxTasksPerWorker?: number | undefined;
  /**
   * How many workers to run, from 1 to 1,000. More than there are cores is slower for CPU-bound work.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly maxWorkers?: number | undefined;
  /**
   * How many workers to keep when there is little to do, from 1 on; more are started when tasks
   * wait. More than `maxWorkers` counts as `maxWorkers`.
   *
   * @default {maxWorkers}
   */
  readonly minWorkers?: number | undefined;
  /**
   * How long a worker beyond `minWorkers` may have nothing to do before it is ended, in
   * milliseconds, from 0 to 2,147,483,647.
   *
   * @default {30_000}
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * The most tasks that wait for a worker, from 0 on; more are refused with `overloaded`.
   *
   * @default {100_000}
   */
  readonly maxBacklog?: number | undefined;
  /**
   * The most time a worker has from its start until it has called `expose()`, in milliseconds, from
   * 1 to 2,147,483,647.
   *
   * @default {10_000}
   */
  readonly startTimeoutMs?: number | undefined;
  /**
   * The most time a task may run, in milliseconds, from 1 to 2,147,483,647, not counting its wait.
   * One that runs longer fails with `timeout` and is cancelled.
   *
   * @default {undefined} No limit.
   */
  readonly timeLimitMs?: number | undefined;
  /** Limits of single procedures, by name. The worker file must expose each of them. */
  readonly limits?: Readonly<Record<string, ProcedureLimits>> | undefined;
  /**
   * How long a cancelled task may go on before its worker is replaced, in milliseconds, from 0 to
   * 2,147,483,647.
   *
   * @default {500}
   */
  readonly abortGraceMs?: number | undefined;
  /**
   * The most threads that go on after they were replaced, from 0 on; with so many the pool refuses
   * tasks.
   *
   * @default {2 * maxWorkers}
   */
  readonly maxZombies?: number | undefined;
  /**
   * Codecs beside JSON. The first encodes the inputs of `run()` and `stream()`, so the worker file
   * must expose its procedures with it; a binary one moves large inputs without a copy.
   *
   * @default {[]} JSON.
   */
  readonly codecs?: readonly Codec[] | undefined;
  /** Told of every change of a slot's state. What it throws is dropped. */
  readonly onEvent?: ((event: PoolEvent) => void) | undefined;
  /** Ends the attempt to open, and closes what was opened. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode WorkerPool.run}. */
export interface RunOptions {
  /**
   * How long to wait for the output, in milliseconds, from 1 to 2,147,483,647. The task is cancelled
   * then; its worker is told by `context.signal`.
   *
   * @default {undefined} As long as it takes.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Tasks of a higher priority start before others that wait, from 0 to 9.
   *
   * @default {0}
   */
  readonly priority?: number | undefined;
  /** Told what the procedure tells by `context.progress()`. What it throws is dropped. */
  readonly onProgress?: ((value: unknown) => void) | undefined;
  /** Cancels the task. One that has not started is not started. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode WorkerPool.stream}. */
export interface PoolStreamOptions extends Pick<RunOptions, "signal" | "priority" | "onProgress"> {
  /**
   * The longest wait for one item, in milliseconds, from 1 to 2,147,483,647. It rejects with
   * `timeout`.
   *
   * @default {undefined} As long as it takes.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * How many items the task may be ahead of its reader, from 1 to 1000.
   *
   * @default {64}
   */
  readonly credits?: number | undefined;
}

/** Options of {@linkcode WorkerPool.close}. */
export interface PoolCloseOptions {
  /**
   * How long tasks may go on before their workers are terminated, in milliseconds, from 0 on;
   * `Infinity` is as long as they take.
   *
   * @default {10_000}
   */
  readonly graceMs?: number | undefined;
}

/** Limits of one procedure. */
export interface ProcedureLimits {
  /**
   * The most time a task of the procedure may run, in milliseconds, from 1 to 2,147,483,647.
   *
   * @default {undefined} The pool's `timeLimitMs`.
   */
  readonly timeLimitMs?: number | undefined;
  /**
   * The most tasks of the procedure that workers hold at a time, from 1 on.
   *
   * @default {undefined} No limit.
   */
  readonly maxConcurrent?: number | undefined;
}

/** Options with every member set. */
export type PoolSettings =
  & Complete<Omit<WorkerPoolOptions, Unset | "expect">>
  & { readonly [Name in Exclude<Unset, "signal">]: WorkerPoolOptions[Name] | undefined };

/** Options that are not settings, or have no value that means their absence. */
type Unset = "signal" | "maxWorkerMemoryMb" | "maxTasksPerWorker" | "timeLimitMs" | "onEvent";

/** A timer that is longer fires at once. */
const TIMER_BOUNDS = { min: 1, max: MAX_TIMEOUT_MS };
const WAIT_BOUNDS = { min: 0, max: MAX_TIMEOUT_MS };
/** The highest priority; the lowest is 0. */
export const MAX_PRIORITY = 9;
/** The most workers of a pool. */
const MAX_WORKERS = 1_000;
const PRIORITY_BOUNDS = { min: 0, max: MAX_PRIORITY };
const OPEN = "open a pool";

/**
 * Checks options and fills in what is missing.
 *
 * @param options What the user set.
 * @returns The settings.
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If the isolation is unknown.
 */
export function resolvePoolOptions(options: WorkerPoolOptions): PoolSettings {
  checkOptions(OPEN, options);
  const {
    isolation = "thread",
    process = {},
    maxWorkerMemoryMb,
    maxTasksPerWorker,
    maxWorkers = navigator.hardwareConcurrency,
    minWorkers,
    idleTimeoutMs = 30_000,
    maxBacklog = 100_000,
    startTimeoutMs = 10_000,
    timeLimitMs,
    limits = {},
    abortGraceMs = 500,
    maxZombies,
    codecs = [],
    onEvent,
    signal,
  } = options;
  checkTexts(OPEN, { expect: options.expect });
  checkOneOf(OPEN, { isolation }, ["thread", "process"]);
  checkInteger(OPEN, { maxWorkers }, { min: 1, max: MAX_WORKERS });
  checkInteger(OPEN, { minWorkers, maxTasksPerWorker }, { min: 1 });
  checkInteger(OPEN, { startTimeoutMs, timeLimitMs }, TIMER_BOUNDS);
  checkInteger(OPEN, { idleTimeoutMs, abortGraceMs }, WAIT_BOUNDS);
  checkInteger(OPEN, { maxBacklog, maxZombies }, { min: 0 });
  checkInteger(OPEN, { maxWorkerMemoryMb }, { min: 16 });
  checkCodecs(OPEN, codecs);
  checkType(OPEN, { onEvent }, "function");
  checkSignal(OPEN, { signal });
  checkProcessOptions(OPEN, process);
  return {
    isolation,
    process,
    maxWorkerMemoryMb,
    maxTasksPerWorker,
    maxWorkers,
    minWorkers: Math.min(minWorkers ?? maxWorkers, maxWorkers),
    idleTimeoutMs,
    maxBacklog,
    startTimeoutMs,
    timeLimitMs,
    limits: checkLimits(limits),
    abortGraceMs,
    maxZombies: maxZombies ?? 2 * maxWorkers,
    codecs,
    onEvent,
  };
}

/**
 * Checks how many workers a pool is to have.
 *
 * @throws {RangeError} If there cannot be as many.
 */
export function checkWorkers(workers: number): void {
  checkInteger("resize a pool", { workers }, { min: 1, max: MAX_WORKERS });
}

function checkLimits(limits: Readonly<Record<string, ProcedureLimits>>): PoolSettings["limits"] {
  checkType(OPEN, { limits }, "object");
  for (const [procedure, limit] of Object.entries(limits)) {
    checkType(OPEN, { [`limits.${procedure}`]: limit }, "object");
    const { timeLimitMs, maxConcurrent } = limit;
    const name = (limit: string) => `limits.${procedure}.${limit}`;
    checkInteger(OPEN, { [name("timeLimitMs")]: timeLimitMs }, TIMER_BOUNDS);
    checkInteger(OPEN, { [name("maxConcurrent")]: maxConcurrent }, { min: 1 });
  }
  // A prototype would lend its own properties to procedures of the same names.
  return Object.assign(Object.create(null), limits);
}

/**
 * Checks that limits are of procedures that there are.
 *
 * @throws {TypeError} If one is not.
 */
export function checkLimitedNames(
  limits: PoolSettings["limits"],
  procedures: readonly string[],
): void {
  const unknown = Object.keys(limits).find((name) => !procedures.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(
    `Cannot ${OPEN} as "limits" names a procedure that its worker file does not expose: ` +
      `it is "${unknown}"`,
  );
}

/**
 * Checks that the worker file exposes what its owner expects.
 *
 * @throws {TypeError} If it does not.
 */
export function checkExpectedNames(
  expected: readonly string[] | undefined,
  procedures: readonly string[],
): void {
  const missing = expected?.find((name) => !procedures.includes(name));
  if (missing === undefined) return;
  const exposed = procedures.map((name) => `"${name}"`).join(", ");
  throw new TypeError(
    `Cannot ${OPEN} as its worker file does not expose "${missing}": it exposes ${exposed}`,
  );
}

/**
 * Checks the options of a task.
 *
 * @throws {TypeError} If an option cannot be used.
 * @throws {RangeError} If a number is out of its range.
 */
export function checkRunOptions(procedure: string, options: RunOptions): void {
  if (typeof procedure !== "string") checkName("run a task", { procedure });
  checkOptions("run a task", options);
  const { timeoutMs, priority, signal, onProgress } = options;
  if (timeoutMs !== undefined) checkInteger("run a task", { timeoutMs }, TIMER_BOUNDS);
  if (priority !== undefined) checkInteger("run a task", { priority }, PRIORITY_BOUNDS);
  if (signal !== undefined) checkSignal("run a task", { signal });
  if (onProgress !== undefined) checkType("run a task", { onProgress }, "function");
}

/**
 * Checks the options of a task that streams.
 *
 * @throws {TypeError} If an option cannot be used.
 * @throws {RangeError} If a number is out of its range.
 */
export function checkStreamOptions(procedure: string, options: PoolStreamOptions): void {
  checkType("stream", { procedure }, "string");
  checkOptions("stream", options);
  const { idleTimeoutMs, priority, credits, signal, onProgress } = options;
  checkSignal("stream", { signal });
  checkType("stream", { onProgress }, "function");
  checkInteger("stream", { idleTimeoutMs }, TIMER_BOUNDS);
  checkInteger("stream", { priority }, PRIORITY_BOUNDS);
  checkInteger("stream", { credits }, { min: 1, max: MAX_CREDITS });
}
