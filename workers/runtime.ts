/**
 * What a worker file imports: {@linkcode expose} offers its procedures to the pool.
 *
 * @example A worker file (not run, as it is for workers only)
 * ```ts ignore
 * import { expose } from "@warren/rpc/workers/runtime";
 *
 * const procedures = { square: (input: number) => input * input };
 * export type SquareContract = typeof procedures;
 *
 * expose(procedures);
 * ```
 *
 * @module
 */

import type { Codec } from "../codec.ts";
import type { AnyHandlers, CallContext, Servable } from "../contract.ts";
import { RpcError } from "../errors.ts";
import { callScope } from "../internal/call_scope.ts";
import { encodeError, encodeItem, reportError } from "../internal/running/encode.ts";
import type { EncodedItem, EncodedReply } from "../internal/encoded_reply.ts";
import { ProgressGate } from "../internal/running/progress_gate.ts";
import { membersOf } from "../internal/running/members.ts";
import { requireCodec, runHandler, type RunnableHandler } from "../internal/running/run_handler.ts";
import { GeneratorPump } from "../internal/streaming/generator_pump.ts";
import {
  type ItemMessage,
  mustTransfer,
  type PoolMessage,
  PROTOCOL_VERSION,
  type ReplyMessage,
  type RunMessage,
  toTransferable,
  WORKER_PORT,
  type WorkerGlobal,
  type WorkerPort,
} from "./wire/protocol.ts";
import { MemoryGauge } from "./worker/memory_gauge.ts";
import { TaskContext } from "./worker/task_context.ts";

export type { Body, Codec } from "../codec.ts";
export type { CallContext, Handler, PoolHandler, Servable } from "../contract.ts";

/**
 * A function that runs a procedure in a worker. Whatever it throws becomes an error reply. A
 * generator streams what it yields, as fast as its reader reads.
 */
export type WorkerHandler<Input = never, Output = unknown> = (
  input: Input,
  context: CallContext,
) => Output | Promise<Output> | AsyncGenerator<Output> | Generator<Output>;

/** A reply waits at most this long for others to share its `postMessage` with, in milliseconds. */
const MAX_FLUSH_DELAY_MS = 0.2;

/** Options of {@linkcode expose}. */
export interface ExposeOptions {
  /**
   * Codecs beside JSON. A request's content type chooses.
   *
   * @default {[]}
   */
  readonly codecs?: readonly Codec[];
}

/**
 * Offers procedures to the pool that started this worker. Call it once, at the top level of the
 * worker file. From then on the pool sends tasks, and they run one at a time; and `Object.prototype`
 * takes no new properties any more, as these would be everybody's.
 *
 * @typeParam H The functions.
 * @param procedures The functions to offer, by procedure name, in objects or not: of
 * `{ users: { get } }` the name is `users.get`.
 * @param options Codecs beside JSON.
 * @returns The procedures: `export default expose(procedures)` lets the pool's owner have their types,
 * as `WorkerPool.open<typeof import("./worker.ts").default>(…)`.
 * @throws {TypeError} If this is not a worker of a pool, it was called before, there is no
 * procedure, or one is not a function.
 */
export function expose<H extends object = AnyHandlers>(
  procedures: H & Servable<H>,
  options: ExposeOptions = {},
): H {
  // What checks options elsewhere is not loaded into workers.
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `Cannot expose procedures as "options" must be an object: current value is ${options}`,
    );
  }
  const { codecs = [] } = options;
  const handlers = new Map<string, WorkerHandler>();
  for (const { name, value } of membersOf(procedures)) {
    if (typeof value !== "function") {
      throw new TypeError(`Cannot expose "${name}" as it is not a function: it is ${value}`);
    }
    // The types have looked at its parameters.
    handlers.set(name, value as WorkerHandler);
  }
  if (handlers.size === 0) {
    throw new TypeError("Cannot expose procedures as there are none: the object is empty");
  }
  // The entry file of every worker sets the property before it loads the worker file.
  const workerGlobal = globalThis as WorkerGlobal;
  const port = workerGlobal[WORKER_PORT];
  if (port === undefined) {
    throw new TypeError(
      "Cannot expose procedures as no pool has loaded this file, or it has called expose() before",
    );
  }
  delete workerGlobal[WORKER_PORT];
  // What a task adds there would be a member of all messages and values of the tasks after it.
  Object.preventExtensions(Object.prototype);
  const runtime = new WorkerRuntime(port, { handlers, codecs });
  port.listen((message) => runtime.receive(message));
  // It leaves once the whole file has loaded: what throws after this line must count, too.
  port.send({ type: "ready", version: PROTOCOL_VERSION, procedures: [...handlers.keys()] });
  return procedures;
}

/** What a worker file offers. */
interface Exposed {
  readonly handlers: ReadonlyMap<string, WorkerHandler>;
  readonly codecs: readonly Codec[];
}

class WorkerRuntime {
  readonly #port: WorkerPort;
  readonly #handlers: ReadonlyMap<string, WorkerHandler>;
  readonly #codecs: readonly Codec[];
  readonly #waiting: RunMessage[] = [];
  readonly #memory = new MemoryGauge();
  /** The task that runs, if one does; `due` if one is about to. */
  #current: TaskContext | "due" | undefined;
  #isFlushDue = false;
  #flushedAt = 0;

  constructor(port: WorkerPort, exposed: Exposed) {
    this.#port = port;
    this.#handlers = exposed.handlers;
    this.#codecs = exposed.codecs;
  }

  receive(message: PoolMessage): void {
    switch (message.type) {
      case "run":
        this.#waiting.push(message);
        return this.#startSoon();
      case "abort":
        return this.#abort(message.id);
      case "credit":
        this.#running(message.id)?.pump?.grant(message.count);
        return;
      default:
        return unreachable(message);
    }
  }

  /** The task of that id, if it runs. */
  #running(id: number): TaskContext | undefined {
    const current = this.#current;
    return typeof current === "object" && current.id === id ? current : undefined;
  }

  #abort(id: number): void {
    const running = this.#running(id);
    if (running !== undefined) {
      running.abort();
      running.pump?.grant(0);
      return;
    }
    const index = this.#waiting.findIndex((task) => task.id === id);
    if (index === -1) return;
    this.#waiting.splice(index, 1);
    this.#port.send({ type: "skipped", id });
    this.#port.flush();
  }

  /** Not at once: the messages of one batch are received first, so that their replies batch too. */
  #startSoon(): void {
    if (this.#current !== undefined) return;
    this.#current = "due";
    queueMicrotask(() => {
      this.#current = undefined;
      this.#runWaiting();
    });
  }

  #runWaiting(): void {
    for (let task = this.#next(); task !== undefined; task = this.#next()) {
      if (this.#port.control?.claim(task.cell) === false) {
        this.#port.send({ type: "skipped", id: task.id });
        continue;
      }
      const pending = this.#run(task);
      if (pending !== undefined) {
        this.#port.flush();
        // `#finish` cannot throw: whatever a handler does ends in a reply.
        void pending.then(() => this.#runWaiting());
        return;
      }
    }
    this.#port.flush();
  }

  /** Deno may return from what ends a thread, if its owner ends it in the same moment. */
  #next(): RunMessage | undefined {
    return this.#port.isEnding ? undefined : this.#waiting.shift();
  }

  /** Returns a promise only if the handler does, so that short tasks need no turn of the loop. */
  #run(task: RunMessage): Promise<void> | undefined {
    const startedAt = performance.now();
    let reply: EncodedReply | Promise<EncodedReply>;
    try {
      reply = this.#start(task);
    } catch (thrown) {
      reply = encodeError(thrown);
    }
    if (reply instanceof Promise) return this.#settle(task, startedAt, reply);
    this.#finish(task, startedAt, reply);
    return undefined;
  }

  async #settle(task: RunMessage, startedAt: number, reply: Promise<EncodedReply>): Promise<void> {
    this.#finish(task, startedAt, await reply.catch((thrown) => encodeError(thrown)));
  }

  #start(task: RunMessage): EncodedReply | Promise<EncodedReply> {
    const codec = requireCodec(task, this.#codecs);
    const context = this.#current = new TaskContext(task, codec, this.#port.control);
    const handler = this.#handlers.get(task.procedure);
    if (handler === undefined) throw unknownProcedure(task, this.#handlers);
    if (task.credits !== undefined) {
      context.pump = new GeneratorPump(task.credits, (item, seq) => {
        this.#sendItem("item", task.id, encodeItem(item, seq, context));
      });
    }
    if (task.wantsProgress) {
      context.gate = new ProgressGate(context, (progress) => {
        this.#sendItem("progress", task.id, progress);
        this.#port.flush();
      });
    }
    // A handler's input type is a promise of its contract: whoever calls must keep it.
    const run = handler as RunnableHandler;
    return callScope.run(context, runHandler, run, task.body, context);
  }

  #sendItem(type: ItemMessage["type"], id: number, { seq, body, contentType }: EncodedItem): void {
    const sent = toTransferable(body);
    const transfer = mustTransfer(sent) ? sent.buffer : undefined;
    this.#port.send({ type, id, seq, body: sent, contentType }, transfer);
    this.#flushUnlessRecent(performance.now());
    this.#flushSoon();
  }

  /** A generator that waits for something sends what it has yielded before. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#port.flush();
    });
  }

  #finish(task: RunMessage, startedAt: number, reply: EncodedReply): void {
    const now = performance.now();
    const context = typeof this.#current === "object" ? this.#current : undefined;
    this.#current = undefined;
    this.#port.control?.finish(task.cell);
    const { type, contentType, thrown } = reply;
    const body = toTransferable(reply.body);
    const transfer = mustTransfer(body) ? body.buffer : undefined;
    const memoryMb = this.#memory.measure(now);
    const runMs = now - startedAt;
    const message = {
      type,
      id: task.id,
      body,
      contentType,
      runMs,
      ...memoryMb,
      ...(type === "error" && { report: reportError(thrown) }),
    };
    this.#port.send(context === undefined ? message : withExtras(message, context), transfer);
    // Without shared memory, the pool knows from the replies alone which task runs.
    if (this.#port.control === undefined) this.#port.flush();
    else this.#flushUnlessRecent(now);
  }

  #flushUnlessRecent(now: number): void {
    if (now - this.#flushedAt < MAX_FLUSH_DELAY_MS) return;
    this.#flushedAt = now;
    this.#port.flush();
  }
}

/** Adds what most replies lack. */
function withExtras(
  message: ReplyMessage,
  { replyHeaders: headers, timing }: TaskContext,
): ReplyMessage {
  if (headers === undefined && timing === undefined) return message;
  return {
    ...message,
    ...(headers === undefined ? {} : { headers }),
    ...(timing === undefined ? {} : { timing: timing.toWorkerTiming() }),
  };
}

function unknownProcedure(
  task: RunMessage,
  handlers: ReadonlyMap<string, WorkerHandler>,
): RpcError {
  const known = [...handlers.keys()].map((name) => `"${name}"`).join(", ");
  return new RpcError(
    "unknown-procedure",
    `Cannot run "${task.procedure}" as no worker exposes it: known are ${known || "none"}`,
  );
}

function unreachable(message: never): never {
  throw new TypeError(`Cannot read a message of an unknown type: ${JSON.stringify(message)}`);
}
