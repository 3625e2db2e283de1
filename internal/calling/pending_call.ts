/** One call from `call()` to its one outcome. @module */

import type { Body } from "../../codec.ts";
import type { CallPhase, CallReport } from "../../errors.ts";
import type { AmqpProperties } from "../broker/amqp.ts";
import type { IncomingItem } from "../protocol/envelope.ts";

/** A call, or a notification, as it is asked for. */
export interface CallRequest {
  /** Whether it is done when its reply arrives, or when the broker has the request. */
  readonly awaits: "reply" | "confirm";
  readonly correlationId: string;
  readonly queue: string;
  readonly procedure: string;
  readonly body: Body;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Whether the request may be published again after a lost connection. */
  readonly idempotent: boolean;
  /** Whether to be served at once or not at all. */
  readonly immediate: boolean;
  /** From 0 to 9. */
  readonly priority: number | undefined;
  readonly idempotencyKey: string | undefined;
  /** Takes what comes before the last reply, if the caller wants it. */
  readonly sink: CallSink | undefined;
  /** For a stream, the longest wait for an item. */
  readonly idleTimeoutMs: number | undefined;
  /** The callback by name that gets the reply, as {@linkcode writeCallback} wrote it. */
  readonly callback: string | undefined;
  /** Each of them ends the call when it aborts. */
  readonly signals: readonly AbortSignal[];
}

/** Takes what comes before the last reply of a call. */
export interface CallSink {
  /** Present for a stream: how many items may come at first. */
  readonly credits?: number;
  readonly wantsProgress: boolean;
  /** Takes an item or a progress; runs inside amqplib's callback. */
  accept(item: IncomingItem, reply: IncomingReply): void;
}

/** A message as it arrived at the reply queue. */
export interface IncomingReply {
  readonly properties: AmqpProperties;
  readonly body: Uint8Array;
  /** Removes the message from a durable reply queue; does nothing for others. */
  ack(): void;
}

/** Told what happens to a call. */
export interface CallOwner {
  /** The call has its outcome. */
  onSettled(call: PendingCall): void;
  /** Its caller does not want it any more; comes after `onSettled`. */
  onAbandoned(call: PendingCall): void;
}

/** A call that waits for its outcome, and gets exactly one. */
export class PendingCall {
  readonly request: CallRequest;
  /** When the caller stops waiting, in Unix milliseconds: for the wire. */
  readonly deadline: number;
  /** The same by `performance.now()`: for the timer. The clock started at `call()`. */
  readonly dueAt: number;
  /** Settles with the reply, or rejects with the reason why there is none. */
  readonly reply: Promise<IncomingReply>;
  /** How often the request was published. */
  attempts = 0;
  /** When the broker first refused the request, by `performance.now()`. */
  strandedAt: number | undefined;
  /** How far the call has come. */
  phase: CallPhase = "not-published";
  readonly #startedAt = performance.now();
  readonly #resolve: (reply: IncomingReply) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #owner: CallOwner;
  #isSettled = false;

  constructor(request: CallRequest, owner: CallOwner) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingReply>();
    this.request = request;
    this.reply = promise;
    this.deadline = Date.now() + request.timeoutMs;
    this.dueAt = this.#startedAt + request.timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#owner = owner;
    for (const signal of request.signals) signal.addEventListener("abort", this.#abort);
  }

  /** Whether the call has its outcome. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** What an error says of the call. */
  report(): CallReport {
    const { procedure, queue } = this.request;
    const elapsedMs = Math.round(performance.now() - this.#startedAt);
    return { procedure, queue, elapsedMs, phase: this.phase };
  }

  /** Ends the call with a reply. Does nothing if it is settled. */
  resolve(reply: IncomingReply): void {
    if (this.#settle()) this.#resolve(reply);
  }

  /** Ends the call with a reason. Does nothing if it is settled. */
  reject(reason: unknown): void {
    if (this.#settle()) this.#reject(reason);
  }

  /** Ends the call because its caller does not want it any more. */
  abandon(reason: unknown): void {
    if (!this.#settle()) return;
    this.#reject(reason);
    this.#owner.onAbandoned(this);
  }

  readonly #abort = () => {
    this.abandon(this.request.signals.find((signal) => signal.aborted)?.reason);
  };

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    for (const signal of this.request.signals) signal.removeEventListener("abort", this.#abort);
    this.#owner.onSettled(this);
    return true;
  }
}
