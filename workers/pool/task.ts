/**
 * One unit of work given to the pool.
 *
 * @module
 */

import type { MessageHeaders } from "../../contract.ts";
import { RpcError } from "../../errors.ts";
import type { EncodedItem, EncodedReply, ItemSink } from "../../internal/encoded_reply.ts";
import type { RunTiming } from "../../internal/run_timing.ts";
import { StreamCredits } from "../../internal/streaming/stream_credits.ts";
import { mustTransfer } from "../wire/protocol.ts";
import type { PoolProcedure } from "./procedures.ts";

/** What a task is to do: what {@linkcode Task} says of it. */
export type TaskParts =
  & Pick<Task, "body">
  & Partial<
    Pick<
      Task,
      | "contentType"
      | "correlationId"
      | "deadline"
      | "redeliveries"
      | "headers"
      | "timing"
      | "signal"
      | "sink"
      | "priority"
      | "capacity"
    >
  >;

/** Whoever counts tasks. */
export interface TaskCounter {
  /** A task has settled. */
  onSettled(): void;
}

/** Whoever gave tasks to the pool, or keeps them for it. */
export interface TaskOwner {
  /** The signal of a task aborted before the task had settled. */
  onAbort(task: Task): void;
}

/** Whoever runs a task. */
export interface TaskHolder {
  /** Told that nobody waits for the task any more; returns whether it let go of it at once. */
  abort(task: Task): boolean;
  /** Allows a task that streams so many items more. */
  grant(task: Task, count: number): void;
}

/** The largest id of a task: ids fit the 31 bits in which JavaScript engines keep small integers. */
const MAX_ID = 0x7fffffff;

/** A task and the promise of its reply, which settles exactly once. */
export class Task {
  /** Counts the tasks of one pool in the order in which they came. */
  readonly order: number;
  readonly procedure: PoolProcedure;
  /** The encoded input; bytes are a private copy. */
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
  readonly correlationId: string | undefined;
  /** When the output is worthless, in Unix milliseconds. */
  readonly deadline: number | undefined;
  readonly redeliveries: number;
  /** Those of the request; absent if it has none. */
  readonly headers: MessageHeaders | undefined;
  /** Where it is noted how long the task takes; absent if nobody wants to know. */
  readonly timing: RunTiming | undefined;
  readonly signal: AbortSignal | undefined;
  /** Takes what the task tells before its end. */
  readonly sink: ItemSink | undefined;
  /** Tasks of a higher priority start first, from 0 to 9; 0 is that of most. */
  readonly priority: number;
  /** Told when the task settles. */
  readonly capacity: TaskCounter | undefined;
  /** Present for a stream. */
  readonly credits: StreamCredits | undefined;
  /** Whether the body stays here when a worker gets it, so that another one can get it too. */
  readonly isRepeatable: boolean;
  /** When the task came, on the clock of `performance.now()`. */
  readonly submittedAt: number = performance.now();
  /** When a worker last got the task, on the same clock. */
  heldAt: number = NaN;
  /** Who runs the task; absent while it waits. */
  holder: TaskHolder | undefined = undefined;
  readonly #reply = Promise.withResolvers<EncodedReply>();
  #owner: TaskOwner | undefined;
  #isSettled = false;

  /**
   * Makes a task that waits.
   *
   * @param order Counts the tasks of one pool.
   * @param procedure What the pool knows of the procedure.
   * @param parts What to do.
   */
  constructor(order: number, procedure: PoolProcedure, parts: TaskParts) {
    this.order = order;
    this.procedure = procedure;
    this.body = parts.body;
    this.contentType = parts.contentType;
    this.correlationId = parts.correlationId;
    this.deadline = parts.deadline;
    this.redeliveries = parts.redeliveries ?? 0;
    this.headers = parts.headers;
    this.timing = parts.timing;
    this.signal = parts.signal;
    this.sink = parts.sink;
    this.priority = parts.priority ?? 0;
    this.capacity = parts.capacity;
    const credits = parts.sink?.credits;
    this.credits = credits === undefined ? undefined : new StreamCredits(credits);
    // Not to be asked later: a body that has moved has no length any more.
    this.isRepeatable = !mustTransfer(parts.body);
  }

  /** Tells the tasks apart that workers hold. */
  get id(): number {
    return this.order & MAX_ID;
  }

  /** The reply; rejects if the task was not run to its end. */
  get reply(): Promise<EncodedReply> {
    return this.#reply.promise;
  }

  /** Whether the reply is known, so that running the task is of no use. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Fails the task as soon as its signal aborts, and then tells its owner. */
  watch(owner: TaskOwner): void {
    this.#owner = owner;
    this.signal?.addEventListener("abort", this);
  }

  /** Takes what the task tells before its end; nothing once it has settled. */
  tell(type: "item" | "progress", item: EncodedItem): void {
    if (this.#isSettled) return;
    if (type === "item") {
      this.credits?.spend();
      this.sink?.onItem?.(item);
    } else this.sink?.onProgress?.(item);
  }

  /** Allows a task that streams so many items more. */
  grant(count: number): void {
    if (this.holder === undefined) return;
    this.credits?.grant(count);
    this.holder.grant(this, count);
  }

  /** Tells the reply. */
  fulfil(reply: EncodedReply): void {
    if (this.#settle()) this.#reply.resolve(reply);
  }

  /** Tells why there is no reply. */
  fail(reason: unknown): void {
    if (this.#settle()) this.#reply.reject(reason);
  }

  /** Makes the task its own listener on the signal: one closure less for each task. */
  handleEvent(): void {
    if (this.#isSettled) return;
    this.fail(this.signal?.reason);
    this.#owner?.onAbort(this);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.signal?.removeEventListener("abort", this);
    this.capacity?.onSettled();
    return true;
  }
}

/** The pool was closed before the task had run to its end. */
export function closedError(procedure: string): RpcError {
  return new RpcError("closed", `Cannot run "${procedure}" as the pool is closed`);
}

/** No place is left for the task. */
export function overloadedError(procedure: string, maxBacklog: number): RpcError {
  return new RpcError(
    "overloaded",
    `Cannot run "${procedure}" as the backlog is full: ${maxBacklog} tasks wait`,
    { retryable: true },
  );
}

/** The deadline passed while the task was waiting. */
export function expiredError(procedure: string): RpcError {
  return new RpcError(
    "timeout",
    `Cannot start "${procedure}" as its deadline passed while it waited for a worker`,
    { retryable: true },
  );
}

/** The worker died. */
export function crashedError(procedure: string, reason: string): RpcError {
  return new RpcError(
    "worker-crashed",
    `Cannot complete "${procedure}" as its worker died: ${reason}`,
  );
}

/** The task ran for longer than it may. */
export function overrunError(procedure: string, limitMs: number): RpcError {
  return new RpcError(
    "timeout",
    `Cannot complete "${procedure}" as it ran for longer than its limit of ${limitMs} ms`,
  );
}

/** The task kept a worker, and its reader took nothing. */
export function pausedError(procedure: string, limitMs: number): RpcError {
  return new RpcError(
    "timeout",
    `Cannot go on with "${procedure}" as it keeps a worker and its reader takes nothing: ` +
      `for ${limitMs} ms`,
    { retryable: true },
  );
}

/** Too many threads run that cannot be stopped. */
export function zombiesError(procedure: string, zombies: number): RpcError {
  return new RpcError(
    "overloaded",
    `Cannot run "${procedure}" as too many threads run on after their tasks were cancelled: ` +
      `${zombies} of them`,
    { retryable: true },
  );
}
