/**
 * A pool of workers that run tasks.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Caller } from "../../caller.ts";
import { bytesCodec, type Codec, codecFor, codecOf, jsonCodec } from "../../codec.ts";
import type {
  AnyContract,
  CallArguments,
  Contract,
  InputOf,
  ItemOf,
  OutputOf,
  PlainNames,
  PoolHandler,
  StreamNames,
  WithMsgpack,
} from "../../contract.ts";
import { RpcTimeoutError } from "../../errors.ts";
import { withCallerStack, withOpenerStack } from "../../internal/caller_stack.ts";
import { readGraceMs, wrongValue } from "../../internal/check.ts";
import { NO_HEADERS } from "../../internal/message_headers.ts";
import { safeObserver } from "../../internal/observer.ts";
import {
  type EncodedHandler,
  type EncodedRequest,
  openHandler,
  type RunningRequest,
  sealHandler,
} from "../../internal/running/encoded_handler.ts";
import { LocalCaller } from "../../internal/running/local_caller.ts";
import { membersOf } from "../../internal/running/members.ts";
import type { EncodedItem, ItemSink } from "../../internal/encoded_reply.ts";
import { takeBytes } from "../../internal/running/bytes.ts";
import { ItemBuffer } from "../../internal/streaming/item_buffer.ts";
import { ItemReader } from "../../internal/streaming/item_reader.ts";
import { abortable } from "../../internal/time.ts";
import { hostStarter } from "../host/host_starter.ts";
import { notUtf8Reply, ownBody, readReply } from "./bodies.ts";
import { PoolCapacity } from "./pool_capacity.ts";
import {
  checkExpectedNames,
  checkLimitedNames,
  checkRunOptions,
  checkStreamOptions,
  checkWorkers,
  MAX_PRIORITY,
  type PoolCloseOptions,
  type PoolStreamOptions,
  resolvePoolOptions,
  type RunOptions,
  type WorkerPoolOptions,
} from "./pool_options.ts";
import type { PoolStats } from "./pool_stats.ts";
import { Scheduler } from "./scheduler.ts";
import { closedError, type Task, type TaskParts } from "./task.ts";

/** The time of a call that does not say so itself, in milliseconds: that of a client's. */
const CALL_TIMEOUT_MS = 30_000;

/** The arguments of {@linkcode WorkerPool.stream}. */
interface StreamParts {
  readonly procedure: string;
  readonly input: unknown;
  readonly options: PoolStreamOptions;
}

/** The handlers that a pool offers to a server. */
export type PoolHandlers<C extends Contract> = {
  readonly [Name in keyof C]: C[Name] extends (...args: never[]) => unknown ? PoolHandler<C[Name]>
    : C[Name] extends object ? PoolHandlers<C[Name]>
    : never;
};

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
 * await using pool = await WorkerPool.open<FibonacciContract>(url, { maxWorkers: 2 });
 * assertEquals(await pool.run("fibonacci", 30), 832040);
 * ```
 */
export class WorkerPool<C extends Contract = AnyContract> implements AsyncDisposable {
  readonly #scheduler: Scheduler;
  readonly #codecs: readonly Codec[];
  /** Ends the streams that are being read, each with its procedure. */
  readonly #streams = new Map<(reason: unknown) => void, string>();
  #closing: Promise<void> | undefined;
  #madeCaller: LocalCaller | undefined;
  /** Only a mark for the compiler; never set: one contract does not pass for another. */
  declare readonly "~contract": C;

  private constructor(scheduler: Scheduler, codecs: readonly Codec[]) {
    this.#scheduler = scheduler;
    this.#codecs = codecs;
  }

  /**
   * Starts the workers, and waits until each has called `expose()`.
   *
   * @typeParam C The contract of the worker file.
   * @param worker The absolute URL of the worker file.
   * @param options Size and limits.
   * @returns The pool, with all its workers ready.
   * @throws {TypeError} If the URL is not absolute, or `limits` or `expect` names a procedure that the
   * worker file does not expose.
   * @throws {RangeError} If an option is out of its range.
   * @throws {RpcError} `worker-not-started`, if the worker file cannot be used; it says why.
   */
  static open<C extends Contract = AnyContract>(
    worker: URL | string,
    options: WorkerPoolOptions & { readonly codecs: readonly Codec[] },
  ): Promise<WorkerPool<C & WithMsgpack>>;
  /** Starts the workers; inputs travel as JSON. */
  static open<C extends Contract = AnyContract>(
    worker: URL | string,
    options?: WorkerPoolOptions,
  ): Promise<WorkerPool<C>>;
  static async open<C extends Contract>(
    worker: URL | string,
    options: WorkerPoolOptions = {},
  ): Promise<WorkerPool<C>> {
    const settings = resolvePoolOptions(options);
    const { signal } = options;
    const url = requireAbsolute(worker);
    signal?.throwIfAborted();
    const scheduler = new Scheduler(settings, hostStarter(url, settings));
    try {
      await abortable(scheduler.open(), signal);
      checkLimitedNames(settings.limits, scheduler.procedures);
      checkExpectedNames(options.expect, scheduler.procedures);
      return new WorkerPool<C>(scheduler, settings.codecs);
    } catch (error) {
      await scheduler.close(0);
      throw withOpenerStack(error);
    }
  }

  /**
   * Runs a procedure in a worker.
   *
   * @typeParam Name The procedure.
   * @param procedure The name of the procedure.
   * @param rest Its input, and the options: time limit and signal.
   * @returns The output.
   * @throws {RangeError} If an option is out of its range.
   * @throws {RpcRemoteError} What the procedure threw.
   * @throws {RpcTimeoutError} If there was no output in time.
   * @throws {RpcError} `worker-crashed`, `overloaded`, `closed`, or `unencodable` for the input.
   */
  async run<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, RunOptions>
  ): Promise<OutputOf<C, Name>> {
    const [input, options = {}]: [unknown?, RunOptions?] = rest;
    checkRunOptions(procedure, options);
    const { timeoutMs, signal, priority = 0, onProgress } = options;
    signal?.throwIfAborted();
    const deadline = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
    const sink = onProgress === undefined ? undefined : this.#progressSink(onProgress);
    const encoded = this.#encode(input);
    const task = this.#scheduler.submit(procedure, {
      ...encoded,
      signal,
      deadline,
      priority,
      sink,
    });
    const timer = timeoutMs === undefined ? undefined : setTimeout(
      () => this.#scheduler.cancel(task, new RpcTimeoutError(procedure, timeoutMs)),
      timeoutMs,
    );
    try {
      // The contract is the worker file's promise; nothing here can check it.
      return readReply(procedure, await task.reply, this.#codecs) as OutputOf<C, Name>;
    } catch (error) {
      throw withCallerStack(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Runs a procedure that is a generator, and reads what it yields, in order. The procedure is never
   * more than `credits` items ahead of its reader, and is cancelled when its reader leaves.
   *
   * @typeParam Name The procedure.
   * @param procedure The name of the procedure.
   * @param rest Its input, and the options: limits and signal.
   * @returns The items. The task starts with the first read. Leaving the loop, or an abort, ends it
   * at once: what has come and was not read is dropped.
   * @throws {RangeError} If an option is out of its range.
   * @throws {RpcRemoteError} What the procedure threw, after the items that came before.
   * @throws {RpcError} `worker-crashed`, `overloaded`, `closed`, or `timeout` between items.
   */
  stream<Name extends StreamNames<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, PoolStreamOptions>
  ): AsyncGenerator<ItemOf<OutputOf<C, Name>>, void, undefined> {
    const [input, options = {}]: [unknown?, PoolStreamOptions?] = rest;
    const reader = new ItemReader((wake) => {
      checkStreamOptions(procedure, options);
      options.signal?.throwIfAborted();
      return this.#openStream({ procedure, input, options }, wake);
    });
    // The contract is the worker file's promise; nothing here can check it.
    return reader as AsyncGenerator<ItemOf<OutputOf<C, Name>>, void, undefined>;
  }

  /**
   * The pool's procedures as handlers for a server. Called as a function, each runs in a worker, as
   * {@linkcode WorkerPool.caller} has it run.
   *
   * @returns One handler for each procedure, as its own enumerable properties; those of
   * `users.get` and the like stand in objects, as they do in the worker file.
   */
  handlers(): PoolHandlers<C>;
  /**
   * The procedures of a pool that was opened without a contract.
   *
   * @typeParam D The contract to have the handlers typed by.
   * @returns One handler for each procedure.
   */
  handlers<D extends Contract>(this: WorkerPool): PoolHandlers<D>;
  handlers(): PoolHandlers<C> {
    const names = this.#scheduler.procedures;
    const capacity = new PoolCapacity(this.#scheduler);
    const handler: EncodedHandler = {
      capacity,
      timeLimitMs: this.#scheduler.timeLimitMs,
      handle: (request) => this.#submit(request, capacity)?.reply ?? notUtf8Reply(),
      start: (request, sink) => this.#start(request, capacity, sink),
    };
    const seal = (name: string) =>
      sealHandler(handler, (input, context) => this.#caller.callOrStream(name, input, { context }));
    // The contract is the worker file's promise; nothing here can check it.
    return inObjects(names, seal) as PoolHandlers<C>;
  }

  /**
   * The pool as what calls procedures, for functions that take a {@linkcode Caller}: they cannot tell
   * it from a client. Calls have the options of a client's; nothing is retried, and an
   * `idempotencyKey` is not heeded.
   *
   * @returns The caller, to which the pool belongs still: nothing is to be closed.
   */
  caller(): Caller<C> {
    // As in run(): the contract is the worker file's promise.
    return this.#caller as unknown as Caller<C>;
  }

  get #caller(): LocalCaller {
    return this.#madeCaller ??= this.#makeCaller();
  }

  #makeCaller(): LocalCaller {
    const handlers = new Map(
      membersOf(this.handlers()).flatMap(({ name, value }) => {
        const handler = openHandler(value);
        return handler === undefined ? [] : [[name, handler] as const];
      }),
    );
    return new LocalCaller({
      handlers,
      codecs: this.#codecs,
      timeoutMs: CALL_TIMEOUT_MS,
      place: "the pool",
    });
  }

  /**
   * Changes how many workers there may be, from now on. New ones start at once, or when tasks wait if
   * `minWorkers` was less than `maxWorkers`; those that are too many end with the tasks that they have.
   *
   * @param workers How many, from 1 to 1000; `minWorkers` follows, so that it is never more.
   * @throws {RangeError} If there cannot be as many; then nothing changes.
   * @throws {RpcError} `closed`.
   */
  resize(workers: number): void {
    checkWorkers(workers);
    this.#scheduler.resize(workers);
  }

  /** Tells what the pool is doing, and what it has done since it was opened. */
  stats(): PoolStats {
    return this.#scheduler.stats();
  }

  /**
   * Refuses new tasks, waits for those that it has, and terminates the workers. Streams that are
   * being read end at once with `closed`. Calling it again gives the same promise.
   *
   * @param options How long tasks may go on.
   * @throws {TypeError} If the options are no object; then nothing is closed.
   * @throws {RangeError} If the grace is out of its range; nor then.
   */
  close(options: PoolCloseOptions = {}): Promise<void> {
    const graceMs = readGraceMs("close the pool", options, 10_000);
    if (typeof graceMs !== "number") return Promise.reject(graceMs);
    for (const [drop, procedure] of this.#streams) drop(closedError(procedure));
    return this.#closing ??= this.#scheduler.close(graceMs);
  }

  /** Closes the pool with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openStream({ procedure, input, options }: StreamParts, wake: () => void): ItemBuffer {
    const { signal, priority = 0, onProgress, idleTimeoutMs = Infinity, credits = 64 } = options;
    const items = new ItemBuffer(procedure, credits, idleTimeoutMs);
    const sink: ItemSink = {
      credits,
      onItem: (item) => items.onItem(item),
      ...(onProgress === undefined ? {} : this.#progressSink(onProgress)),
    };
    const encoded = this.#encode(input);
    const task = this.#scheduler.submit(procedure, { ...encoded, signal, priority, sink });
    const drop = (reason: unknown) => {
      items.drop(reason);
      this.#scheduler.cancel(task, reason);
    };
    const abort = () => drop(signal?.reason);
    signal?.addEventListener("abort", abort);
    this.#streams.set(drop, procedure);
    return items.connect({
      ended: task.reply.then((reply) => readReply(procedure, reply, this.#codecs)),
      decode: (item) => this.#decode(item),
      grant: (count) => task.grant(count),
      cancel: (reason) => {
        signal?.removeEventListener("abort", abort);
        this.#streams.delete(drop);
        this.#scheduler.cancel(task, reason);
      },
    }, wake);
  }

  #start(request: EncodedRequest, capacity: PoolCapacity, sink: ItemSink): RunningRequest {
    const task = this.#submit(request, capacity, sink);
    return {
      reply: task?.reply ?? Promise.resolve(notUtf8Reply()),
      grant: (count) => task?.grant(count),
    };
  }

  /** Takes a request for a task; `undefined` if its body is no text although it should be. */
  #submit(request: EncodedRequest, capacity: PoolCapacity, sink?: ItemSink): Task | undefined {
    const { procedure, contentType, priority = 0, context, timing } = request;
    const { correlationId, deadline, redeliveries, headers, signal } = context;
    signal.throwIfAborted();
    const body = ownBody(request.body, contentType);
    if (body === undefined) return undefined;
    return capacity.count(this.#scheduler.submit(procedure, {
      body,
      contentType,
      correlationId,
      deadline,
      redeliveries,
      headers: headers === NO_HEADERS ? undefined : headers,
      timing,
      signal,
      // That of a message may be higher.
      priority: Math.min(priority, MAX_PRIORITY),
      sink,
      capacity,
    }));
  }

  #encode(input: unknown): Pick<TaskParts, "body" | "contentType"> {
    const codec = codecOf(input, this.#codecs[0] ?? jsonCodec);
    const { contentType } = codec;
    if (codec === bytesCodec && input instanceof Uint8Array) {
      return { body: takeBytes(input), contentType };
    }
    const encoded = codec.encode(input);
    const body = typeof encoded === "string" ? encoded : new Uint8Array(encoded);
    // JSON needs no content type, and what is not sent costs nothing.
    return codec === jsonCodec ? { body } : { body, contentType };
  }

  #decode({ body, contentType }: EncodedItem): unknown {
    return (codecFor(contentType, this.#codecs) ?? jsonCodec).decode(body);
  }

  #progressSink(onProgress: (value: unknown) => void): ItemSink {
    // In the caller's context, and not in that of the worker's messages.
    const tell = AsyncLocalStorage.bind((item: EncodedItem) => onProgress(this.#decode(item)));
    const observe = safeObserver(tell);
    return { onProgress: observe };
  }
}

/**
 * An object with what is made for each name, in objects for those with dots. A worker file may also have
 * written the dots itself: what cannot be seen here can be got by either way.
 */
function inObjects(names: readonly string[], make: (name: string) => unknown): object {
  const objects: object = {};
  for (const name of names) {
    const value = make(name);
    const path = name.split(".");
    const isNested = path.length > 1 && path.every((part) => part !== "") &&
      !path.some((_, end) => names.includes(path.slice(0, end).join(".")));
    if (isNested) define(objects, name, { value, enumerable: false });
    const outer = isNested ? path.slice(0, -1).reduce(objectIn, objects) : objects;
    define(outer, isNested ? path.at(-1) ?? name : name, { value, enumerable: true });
  }
  return objects;
}

function objectIn(outer: object, name: string): object {
  const known = Object.getOwnPropertyDescriptor(outer, name)?.value;
  if (known !== undefined) return known;
  const made = {};
  define(outer, name, { value: made, enumerable: true });
  return made;
}

/** Not by assignment: a name may be `__proto__`. */
function define(object: object, name: string, property: PropertyDescriptor): void {
  Object.defineProperty(object, name, { writable: true, configurable: true, ...property });
}

function requireAbsolute(worker: unknown): string {
  const url = worker instanceof URL ? worker.href : worker;
  if (typeof url === "string" && URL.canParse(url)) return new URL(url).href;
  // Deno would take a relative one from where this package is.
  const kind = 'an absolute URL, such as new URL("./worker.ts", import.meta.url)';
  throw new TypeError(wrongValue("open a pool", ["worker", url], kind));
}
