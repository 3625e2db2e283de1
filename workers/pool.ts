/**
 * A pool of workers that run tasks.
 *
 * @module
 */

import { type Body, jsonCodec } from "../codec.ts";
import type {
  AnyContract,
  Contract,
  EncodedHandler,
  EncodedReply,
  EncodedRequest,
  InputOf,
  OutputOf,
  ProcedureName,
} from "../contract.ts";
import { RpcTimeoutError } from "../errors.ts";
import { Backlog } from "./backlog.ts";
import { errorReply, ownBody, readReply } from "./bodies.ts";
import type { StartHost, WorkerHost } from "./host.ts";
import type { PoolEvent } from "./pool_events.ts";
import {
  type PoolCloseOptions,
  type PoolSettings,
  resolvePoolOptions,
  type RunOptions,
  type WorkerPoolOptions,
} from "./pool_options.ts";
import type { PoolStats } from "./pool_stats.ts";
import type { ReplyMessage } from "./protocol.ts";
import { RunTimes } from "./run_times.ts";
import { Slot, type SlotOwner } from "./slot.ts";
import { Task, type TaskRequest } from "./task.ts";
import { closedError, crashedError, expiredError, overloadedError } from "./task_errors.ts";
import { startThread } from "./thread_host.ts";
import { untilAborted, within } from "./waiting.ts";

/** The handlers that a pool offers to a server. */
export type PoolHandlers<C extends Contract> = {
  readonly [Name in keyof C]: EncodedHandler<C[Name]>;
};

/** A deadline comes from its caller's clock, which may be so much ahead or behind. */
const CLOCK_TOLERANCE_MS = 5_000;

/** So much work a worker may hold, in milliseconds: it hides the way from thread to thread. */
const MAX_LOAD_MS = 3;

/** How long a worker that was terminated is waited for: one that was busy may go on for ever. */
const MAX_END_MS = 1_000;

/**
 * A pool of workers that run the procedures of one worker file, one task per worker at a time.
 *
 * - A task settles exactly once: with its output, or with an error that says why.
 * - A worker that dies fails the task that it ran, and no other; its slot gets a new worker.
 * - Tasks start in the order in which they came.
 *
 * @typeParam C The contract of the worker file.
 *
 * @example A pool without a broker
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { WorkerPool } from "@warren/rpc/workers";
 * import type { FibonacciContract } from "@warren/rpc/workers/fibonacci";
 *
 * const url = import.meta.resolve("@warren/rpc/workers/fibonacci");
 * await using pool = await WorkerPool.open<FibonacciContract>(url, { size: 2 });
 * assertEquals(await pool.run("fibonacci", 30), 832040);
 * ```
 */
export class WorkerPool<C extends Contract = AnyContract> implements AsyncDisposable {
  readonly #settings: PoolSettings;
  readonly #slots: readonly Slot[];
  readonly #backlog = new Backlog();
  readonly #runTimes = new RunTimes();
  readonly #counts = { done: 0, failed: 0, crashes: 0, cancelled: 0 };
  /** The ends of all workers that still run, those that were given up included. */
  readonly #ending = new Set<Promise<void>>();
  readonly #drained = Promise.withResolvers<void>();
  #closing: Promise<void> | undefined;
  #isOpen = true;
  #isFlushDue = false;
  #lastId = 0;

  private constructor(url: string, settings: PoolSettings) {
    this.#settings = settings;
    const owner = this.#ownSlots((listener) => this.#watch(startThread(url, listener)));
    this.#slots = Array.from({ length: settings.size }, (_, index) => new Slot(index, owner));
  }

  /**
   * Starts the workers, and waits until each has called `expose()`.
   *
   * @typeParam C The contract of the worker file.
   * @param worker The absolute URL of the worker file.
   * @param options Size and limits.
   * @returns The pool, with all its workers ready.
   * @throws {TypeError} If the URL is not absolute.
   * @throws {RangeError} If an option is out of its range.
   * @throws {RpcError} `worker-not-started`, if the worker file cannot be used; it says why.
   */
  static async open<C extends Contract = AnyContract>(
    worker: URL | string,
    options: WorkerPoolOptions = {},
  ): Promise<WorkerPool<C>> {
    const { signal } = options;
    const settings = resolvePoolOptions(options);
    const url = requireAbsolute(worker);
    signal?.throwIfAborted();
    const pool = new WorkerPool<C>(url, settings);
    try {
      await untilAborted(Promise.all(pool.#slots.map((slot) => slot.start())), signal);
      return pool;
    } catch (error) {
      await pool.close({ graceMs: 0 });
      throw error;
    }
  }

  /**
   * Runs a procedure in a worker.
   *
   * @param procedure The name of the procedure.
   * @param input Its input.
   * @param options Time limit and signal.
   * @returns The output.
   * @throws {RpcRemoteError} What the procedure threw.
   * @throws {RpcTimeoutError} If there was no output in time.
   * @throws {RpcError} `worker-crashed`, `overloaded`, `closed`, or `unencodable` for the input.
   */
  async run<Name extends ProcedureName<C>>(
    procedure: Name,
    input: InputOf<C, Name>,
    options: RunOptions = {},
  ): Promise<OutputOf<C, Name>> {
    const { timeoutMs, signal } = options;
    signal?.throwIfAborted();
    const deadline = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
    const body = toOwnBody(jsonCodec.encode(input));
    const task = this.#submit({ procedure, body, signal, deadline });
    const timer = timeoutMs === undefined
      ? undefined
      : setTimeout(() => this.#giveUp(task, new RpcTimeoutError(procedure, timeoutMs)), timeoutMs);
    try {
      // The contract is the worker file's promise; nothing here can check it.
      return readReply(procedure, await task.reply) as OutputOf<C, Name>;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The pool's procedures as handlers for a server.
   *
   * @typeParam D The contract to have the handlers typed by.
   * @returns One handler for each procedure, as its own enumerable properties.
   */
  handlers<D extends Contract = C>(): PoolHandlers<D> {
    const names = this.#slots.find(({ procedures }) => procedures.length > 0)?.procedures ?? [];
    const handler: EncodedHandler = { handle: (request) => this.#handle(request) };
    // The contract is the worker file's promise; nothing here can check it.
    return Object.fromEntries(names.map((name) => [name, handler])) as PoolHandlers<D>;
  }

  /** Tells what the pool is doing, and what it has done since it was opened. */
  stats(): PoolStats {
    const states = { idle: 0, busy: 0, starting: 0, crashed: 0, closed: 0 };
    for (const slot of this.#slots) states[slot.state]++;
    const { idle, busy, starting, crashed } = states;
    return { idle, busy, starting, crashed, backlog: this.#backlog.size, ...this.#counts };
  }

  /**
   * Refuses new tasks, waits for those that it has, and terminates the workers. Calling it again
   * gives the same promise.
   *
   * @param options How long tasks may go on.
   */
  close(options: PoolCloseOptions = {}): Promise<void> {
    return this.#closing ??= this.#close(options);
  }

  /** Closes the pool with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close({ graceMs = 10_000 }: PoolCloseOptions): Promise<void> {
    this.#isOpen = false;
    this.#checkDrained();
    await within(this.#drained.promise, graceMs);
    const tasks = [...this.#slots.flatMap((slot) => slot.tasks), ...this.#backlog.clear()];
    for (const slot of this.#slots) slot.close();
    for (const task of tasks) task.fail(closedError(task.request.procedure));
    await within(Promise.all(this.#ending), MAX_END_MS);
  }

  async #handle(request: EncodedRequest): Promise<EncodedReply> {
    const { procedure, contentType, context } = request;
    const { correlationId, deadline, redeliveries, signal } = context;
    signal.throwIfAborted();
    let body: TaskRequest["body"];
    try {
      body = ownBody(request.body, contentType);
    } catch (error) {
      return errorReply(error);
    }
    const task = { procedure, body, contentType, correlationId, deadline, redeliveries, signal };
    return await this.#submit(task).reply;
  }

  #submit(request: TaskRequest): Task {
    const { procedure } = request;
    if (!this.#isOpen) throw closedError(procedure);
    const { maxBacklog } = this.#settings;
    if (this.#backlog.size >= maxBacklog && this.#pickSlot() === undefined) {
      throw overloadedError(procedure, maxBacklog);
    }
    // Ids fit the 31 bits in which JavaScript engines keep small integers.
    this.#lastId = (this.#lastId + 1) & 0x7fffffff;
    const task = new Task(this.#lastId, request, (aborted) => this.#abandon(aborted));
    this.#backlog.push(task);
    this.#dispatch();
    return task;
  }

  /** Gives waiting tasks to workers with room, in order. */
  #dispatch(): void {
    for (let task = this.#backlog.peek(); task !== undefined; task = this.#backlog.peek()) {
      if (isExpired(task)) {
        this.#backlog.shift();
        task.fail(expiredError(task.request.procedure));
        continue;
      }
      const slot = this.#pickSlot(task);
      if (slot === undefined) return;
      this.#backlog.shift();
      task.holder = slot;
      slot.assign(task, this.#runTimes.expect(task.request.procedure));
      this.#flushSoon();
    }
  }

  /** The slot with the least to do, if it may take one more task. */
  #pickSlot(task?: Task): Slot | undefined {
    let best: Slot | undefined;
    for (const slot of this.#slots) {
      if (slot.hasRoom && (best === undefined || slot.loadMs < best.loadMs)) best = slot;
    }
    if (best === undefined || best.isEmpty) return best;
    // Bytes move with their task, so it could not be given to another worker later.
    if (task !== undefined && typeof task.request.body !== "string") return undefined;
    return best.loadMs < MAX_LOAD_MS ? best : undefined;
  }

  /**
   * What arises in one turn of the event loop leaves in one `postMessage` for each worker: 8 tasks
   * at once cost a third. A microtask would be too early, as the callers that a batch of replies
   * wakes come with their next tasks some microtasks later.
   */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      for (const slot of this.#slots) slot.flush();
    });
  }

  #giveUp(task: Task, reason: unknown): void {
    if (task.isSettled) return;
    task.fail(reason);
    this.#abandon(task);
  }

  /** Sees to it that a task that has settled is not started, or knows that it may stop. */
  #abandon(task: Task): void {
    this.#counts.cancelled++;
    if (task.holder === undefined) this.#backlog.drop();
    else task.holder.abort(task);
    this.#checkDrained();
  }

  #ownSlots(startHost: StartHost): SlotOwner {
    return {
      startHost,
      startTimeoutMs: this.#settings.startTimeoutMs,
      onRoom: () => {
        this.#dispatch();
        this.#checkDrained();
      },
      onReply: (task, reply) => this.#finish(task, reply),
      onDeath: (running, unstarted, reason) => {
        this.#counts.crashes++;
        running?.fail(crashedError(running.request.procedure, reason));
        this.#takeBack(unstarted, reason);
      },
      emit: (event) => this.#emit(event),
    };
  }

  #watch(host: WorkerHost): WorkerHost {
    const ended = host.ended.finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
    return host;
  }

  #finish(task: Task, { type, body, contentType, runMs }: ReplyMessage): void {
    this.#runTimes.learn(task.request.procedure, runMs);
    if (task.isSettled) return;
    this.#counts[type === "output" ? "done" : "failed"]++;
    task.fulfil({ type, body, contentType });
  }

  /** Tasks that a dead worker had not started go to another, before all that came later. */
  #takeBack(tasks: readonly Task[], reason: string): void {
    const waiting = tasks.filter((task) => {
      if (task.isSettled) return false;
      task.holder = undefined;
      if (typeof task.request.body === "string") return true;
      task.fail(crashedError(task.request.procedure, reason));
      return false;
    });
    this.#backlog.unshift(waiting);
    this.#dispatch();
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#isOpen || this.#backlog.size > 0) return;
    if (this.#slots.every((slot) => slot.isEmpty)) this.#drained.resolve();
  }

  #emit(event: PoolEvent): void {
    try {
      this.#settings.onEvent(event);
    } catch {
      // An observer is a guest: what it throws is its own affair.
    }
  }
}

function isExpired({ request: { deadline } }: Task): boolean {
  return deadline !== undefined && deadline + CLOCK_TOLERANCE_MS < Date.now();
}

function toOwnBody(body: Body): TaskRequest["body"] {
  return typeof body === "string" ? body : new Uint8Array(body);
}

function requireAbsolute(worker: URL | string): string {
  try {
    return new URL(worker).href;
  } catch (error) {
    throw new TypeError(
      `Cannot open a pool as the worker's URL must be absolute: current value is "${worker}"`,
      { cause: error },
    );
  }
}
