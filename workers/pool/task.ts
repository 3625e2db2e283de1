/**
 * One unit of work given to the pool.
 *
 * @module
 */

import type {
  EncodedItem,
  EncodedReply,
  ItemSink,
} from "../../internal/running/encoded_handler.ts";
import { mustTransfer } from "../wire/transferable.ts";

/** What a task is to do. */
export interface TaskRequest {
  readonly procedure: string;
  /** The encoded input; bytes are a private copy. */
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly contentType?: string | undefined;
  readonly correlationId?: string | undefined;
  /** When the output is worthless, in Unix milliseconds. */
  readonly deadline?: number | undefined;
  readonly redeliveries?: number;
  readonly signal?: AbortSignal | undefined;
  /** Takes what the task tells before its end. */
  readonly sink?: ItemSink | undefined;
  /** Tasks of a higher priority start first; 0 is that of most. */
  readonly priority?: number | undefined;
}

/** Whoever runs a task. */
export interface TaskHolder {
  /** Hears that nobody waits for the task any more; tells whether it let go of it at once. */
  abort(task: Task): boolean;
  /** Allows a task that streams so many items more. */
  grant(task: Task, count: number): void;
}

/** A task and the promise of its reply, which settles exactly once. */
export class Task {
  readonly id: number;
  readonly request: TaskRequest;
  /** When the task came, on the clock of `performance.now()`. */
  readonly submittedAt: number = performance.now();
  /** Who runs the task; absent while it waits. */
  holder: TaskHolder | undefined;
  readonly #reply = Promise.withResolvers<EncodedReply>();
  readonly #onAbort: (task: Task) => void;
  #isSettled = false;

  /**
   * Makes a task that waits.
   *
   * @param id Tells the tasks of one pool apart.
   * @param request What to do.
   * @param onAbort Called when the request's signal aborts before the task has settled.
   */
  constructor(id: number, request: TaskRequest, onAbort: (task: Task) => void) {
    this.id = id;
    this.request = request;
    this.#onAbort = onAbort;
    request.signal?.addEventListener("abort", this);
  }

  /** The reply; rejects if the task was not run to its end. */
  get reply(): Promise<EncodedReply> {
    return this.#reply.promise;
  }

  /** Whether the body stays here when a worker gets it, so that another one can get it too. */
  get isRepeatable(): boolean {
    return !mustTransfer(this.request.body);
  }

  /** Whether the reply is known, so that running the task is of no use. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Takes what the task tells before its end; nothing once it has settled. */
  tell(type: "item" | "progress", item: EncodedItem): void {
    const { sink } = this.request;
    if (this.#isSettled) return;
    if (type === "item") sink?.onItem?.(item);
    else sink?.onProgress?.(item);
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
    this.fail(this.request.signal?.reason);
    this.#onAbort(this);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.request.signal?.removeEventListener("abort", this);
    return true;
  }
}
