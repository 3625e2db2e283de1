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

import { type Codec, codecFor } from "../codec.ts";
import { RpcError } from "../errors.ts";
import {
  type ItemMessage,
  type PoolMessage,
  PROTOCOL_VERSION,
  type RunMessage,
  WORKER_PORT,
  type WorkerGlobal,
  type WorkerPort,
} from "./wire/protocol.ts";
import { MemoryGauge } from "./worker/memory_gauge.ts";
import type { WorkerHandler } from "./worker/worker_handler.ts";
import { encodeError, encodeOutput, encodeValue, type TaskResult } from "./worker/task_result.ts";
import { type ContextLinks, TaskContext } from "./worker/task_context.ts";
import { isGenerator, StreamSender } from "../internal/streaming/stream_sender.ts";

export type { Body, Codec } from "../codec.ts";
export type { CallContext } from "../contract.ts";
export type { WorkerHandler } from "./worker/worker_handler.ts";

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
 * worker file. From then on the pool sends tasks, and they run one at a time.
 *
 * @param procedures The functions to offer, by procedure name.
 * @param options Codecs beside JSON.
 * @throws {TypeError} If this is not a worker of a pool, or a procedure is not a function.
 */
export function expose(
  procedures: Readonly<Record<string, WorkerHandler>>,
  options: ExposeOptions = {},
): void {
  const { codecs = [] } = options;
  const handlers = new Map(Object.entries(procedures));
  for (const [name, handler] of handlers) {
    if (typeof handler !== "function") {
      throw new TypeError(`Cannot expose "${name}" as it is not a function: it is ${handler}`);
    }
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
  const runtime = new WorkerRuntime(port, { handlers, codecs });
  port.listen((message) => runtime.receive(message));
  // It leaves once the whole file has loaded: what throws after this line must count, too.
  port.send({ type: "ready", version: PROTOCOL_VERSION, procedures: [...handlers.keys()] });
}

/** What a worker file offers. */
interface Exposed {
  readonly handlers: ReadonlyMap<string, WorkerHandler>;
  readonly codecs: readonly Codec[];
}

type ItemHead = Pick<ItemMessage, "type" | "id" | "seq">;

class WorkerRuntime {
  readonly #port: WorkerPort;
  readonly #handlers: ReadonlyMap<string, WorkerHandler>;
  readonly #codecs: readonly Codec[];
  readonly #waiting: RunMessage[] = [];
  #current: TaskContext | undefined;
  #sender: StreamSender | undefined;
  #isDue = false;
  #isFlushDue = false;
  #flushedAt = 0;
  readonly #memory = new MemoryGauge();

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
        if (this.#current?.id === message.id) this.#sender?.grant(message.count);
        return;
      case "load":
        return;
      default:
        return unreachable(message);
    }
  }

  #abort(id: number): void {
    if (this.#current?.id === id) {
      this.#current.abort();
      this.#sender?.grant(0);
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
    if (this.#isDue || this.#current !== undefined) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#runWaiting();
    });
  }

  #runWaiting(): void {
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
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

  /** Returns a promise only if the handler does, so that short tasks need no turn of the loop. */
  #run(task: RunMessage): Promise<void> | undefined {
    const startedAt = performance.now();
    let result: TaskResult;
    try {
      const context = this.#enter(task);
      const output = this.#call(task, context);
      if (isGenerator(output) || task.credits !== undefined) {
        return this.#settle(this.#stream(output, task, context), context, startedAt);
      }
      if (isPromiseLike(output)) return this.#settle(output, context, startedAt);
      result = encodeOutput(output, task.procedure, context.codec);
    } catch (thrown) {
      result = encodeError(thrown);
    }
    this.#finish(task, startedAt, result);
  }

  async #settle(
    output: PromiseLike<unknown>,
    { task, codec }: TaskContext,
    startedAt: number,
  ): Promise<void> {
    let result: TaskResult;
    try {
      result = encodeOutput(await output, task.procedure, codec);
    } catch (thrown) {
      result = encodeError(thrown);
    }
    this.#finish(task, startedAt, result);
  }

  #enter(task: RunMessage): TaskContext {
    const codec = codecFor(task.contentType, this.#codecs);
    if (codec === undefined) throw unknownContentType(task);
    const { control } = this.#port;
    return this.#current = new TaskContext(task, { codec, control, tell: this.#tellProgress });
  }

  async #stream(items: unknown, task: RunMessage, context: TaskContext): Promise<unknown> {
    // A promise may reject, and nobody else looks at it.
    if (!isGenerator(items)) throw notAStream(task, await items);
    if (task.credits === undefined) throw unwantedStream(task);
    this.#sender = new StreamSender(
      task.credits,
      (item, seq) => this.#sendValue({ type: "item", id: task.id, seq }, item, context),
    );
    try {
      return await this.#sender.sendAll(items, () => context.throwIfCancelled());
    } finally {
      this.#sender = undefined;
    }
  }

  readonly #tellProgress: ContextLinks["tell"] = (context, value, seq) => {
    this.#sendValue({ type: "progress", id: context.id, seq }, value, context);
    this.#port.flush();
  };

  #sendValue(head: ItemHead, value: unknown, { procedure, codec }: TaskContext): void {
    const { body, contentType, transfer } = encodeValue(value, procedure, codec);
    this.#port.send({ ...head, body, contentType }, transfer);
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

  #call(task: RunMessage, context: TaskContext): unknown {
    const input = context.codec.decode(task.body);
    const handler = this.#handlers.get(task.procedure);
    if (handler === undefined) throw unknownProcedure(task, this.#handlers);
    // A handler's input type is a promise of its contract: whoever calls must keep it.
    return (handler as WorkerHandler<unknown>)(input, context);
  }

  #finish(task: RunMessage, startedAt: number, reply: TaskResult): void {
    const now = performance.now();
    this.#current = undefined;
    this.#port.control?.finish(task.cell);
    const { type, body, contentType, transfer } = reply;
    const memoryMb = this.#memory.measure(now);
    this.#port.send(
      { type, id: task.id, body, contentType, runMs: now - startedAt, ...memoryMb },
      transfer,
    );
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

function unknownContentType(task: RunMessage): RpcError {
  return new RpcError(
    "undecodable",
    `Cannot decode the input of "${task.procedure}" as no codec is known for "${task.contentType}"`,
  );
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

function notAStream(task: RunMessage, output: unknown): RpcError {
  return new RpcError(
    "not-a-stream",
    `Cannot stream "${task.procedure}" as it is not a generator: it gave ${typeof output}`,
  );
}

function unwantedStream(task: RunMessage): RpcError {
  return new RpcError(
    "unwanted-stream",
    `Cannot run "${task.procedure}" for one output as it streams items: use stream()`,
  );
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function unreachable(message: never): never {
  throw new TypeError(`Cannot read a message of an unknown type: ${JSON.stringify(message)}`);
}
