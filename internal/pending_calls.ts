/** Calls that wait for a reply, each settled exactly once. @module */

import { RpcError, RpcTimeoutError } from "../errors.ts";
import type { Body } from "../codec.ts";
import type { AmqpProperties } from "./amqp.ts";
import { DeadlineTimer } from "./deadline_timer.ts";

/** A call, or a notification, as it is asked for. */
export interface CallRequest {
  /** Whether it is done when its reply arrives, or when the broker has the request. */
  readonly awaits: "reply" | "confirm";
  readonly correlationId: string;
  readonly procedure: string;
  readonly body: Body;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Whether the request may be published again after a lost connection. */
  readonly idempotent: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A reply as it arrived. */
export interface IncomingReply {
  readonly properties: AmqpProperties;
  readonly body: Uint8Array;
}

/** How many calls, and what became of the replies that belonged to none. */
export interface PendingCallsStats {
  readonly pending: number;
  readonly waiting: number;
  readonly lateReplies: number;
  readonly duplicateReplies: number;
  readonly unknownReplies: number;
}

/** Longest timer: beyond it `setTimeout` fires at once. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

/** Settled ids that are remembered, to tell late and duplicate replies from strangers'. */
const MAX_REMEMBERED = 4_096;

/** One call from `call()` to its one outcome. */
export class PendingCall {
  readonly request: CallRequest;
  /** Unix milliseconds; the clock started at `call()`. */
  readonly deadline: number;
  /** Settles with the reply, or rejects with the reason why there is none. */
  readonly reply: Promise<IncomingReply>;
  /** How often the request was published. */
  attempts = 0;
  readonly #resolve: (reply: IncomingReply) => void;
  readonly #reject: (reason: unknown) => void;
  readonly #onSettled: (call: PendingCall) => void;
  #isSettled = false;

  constructor(request: CallRequest, onSettled: (call: PendingCall) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingReply>();
    this.request = request;
    this.reply = promise;
    this.deadline = Date.now() + request.timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onSettled = onSettled;
    request.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  /** Whether the call has its outcome. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Ends the call with a reply. Does nothing if it is settled. */
  resolve(reply: IncomingReply): void {
    if (this.#settle()) this.#resolve(reply);
  }

  /** Ends the call with a reason. Does nothing if it is settled. */
  reject(reason: unknown): void {
    if (this.#settle()) this.#reject(reason);
  }

  readonly #abort = () => this.reject(this.request.signal?.reason);

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.request.signal?.removeEventListener("abort", this.#abort);
    this.#onSettled(this);
    return true;
  }
}

/** All calls of a client that wait for a reply, or for a place among those that do. */
export class PendingCalls {
  readonly #maxPending: number;
  readonly #start: (call: PendingCall) => void;
  readonly #calls = new Map<string, PendingCall>();
  readonly #waiting = new Map<string, PendingCall>();
  /** Whether a settled call had its reply, oldest first. */
  readonly #settled = new Map<string, boolean>();
  #lateReplies = 0;
  #duplicateReplies = 0;
  #unknownReplies = 0;
  #onEmpty: () => void = () => {};
  /** Left running between calls, for the next one. */
  readonly #timer = new DeadlineTimer(() => this.#expireDue());

  /**
   * Makes an empty table.
   *
   * @param maxPending Most calls that wait for a reply; the others wait for a place.
   * @param start Publishes a call's request once the call has a place.
   */
  constructor(maxPending: number, start: (call: PendingCall) => void) {
    this.#maxPending = maxPending;
    this.#start = start;
  }

  /** Calls that are not settled. */
  get size(): number {
    return this.#calls.size + this.#waiting.size;
  }

  /** Counts for {@linkcode RpcClient.stats}. */
  stats(): PendingCallsStats {
    return {
      pending: this.#calls.size,
      waiting: this.#waiting.size,
      lateReplies: this.#lateReplies,
      duplicateReplies: this.#duplicateReplies,
      unknownReplies: this.#unknownReplies,
    };
  }

  /** Registers a call and starts its clock, and the call itself as soon as there is a place. */
  add(request: CallRequest): PendingCall {
    const call = new PendingCall(request, (call) => this.#forget(call));
    this.#timer.schedule(call.deadline);
    if (this.#calls.size < this.#maxPending) this.#admit(call);
    else this.#waiting.set(request.correlationId, call);
    return call;
  }

  /** Finds an unsettled call. */
  get(correlationId: string): PendingCall | undefined {
    return this.#calls.get(correlationId) ?? this.#waiting.get(correlationId);
  }

  /** Gives a reply to its call, or drops and counts it. */
  accept(reply: IncomingReply): void {
    const { correlationId } = reply.properties;
    const call = correlationId === undefined ? undefined : this.#calls.get(correlationId);
    if (call !== undefined) {
      this.#remember(call, true);
      return call.resolve(reply);
    }
    const hadReply = correlationId === undefined ? undefined : this.#settled.get(correlationId);
    if (hadReply === undefined) this.#unknownReplies++;
    else if (hadReply) this.#duplicateReplies++;
    else this.#lateReplies++;
  }

  /** The calls that have a place and are not settled, oldest first. */
  started(): readonly PendingCall[] {
    return [...this.#calls.values()];
  }

  /** Waits until no call is left, at most so long. */
  async drain(graceMs: number): Promise<void> {
    if (this.size === 0 || graceMs <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, graceMs);
    await promise;
    clearTimeout(timer);
  }

  /** Ends all calls with one reason, and the timer with them. */
  rejectAll(reason: RpcError): void {
    this.#timer.stop();
    for (const call of [...this.#waiting.values(), ...this.#calls.values()]) call.reject(reason);
  }

  #admit(call: PendingCall): void {
    this.#calls.set(call.request.correlationId, call);
    this.#start(call);
  }

  #expireDue(): number | undefined {
    const now = Date.now();
    let next = Infinity;
    for (const call of [...this.#waiting.values(), ...this.#calls.values()]) {
      if (call.deadline <= now) this.#expire(call);
      else next = Math.min(next, call.deadline);
    }
    return next === Infinity ? undefined : next;
  }

  #expire(call: PendingCall): void {
    const { procedure, timeoutMs, correlationId } = call.request;
    if (!this.#waiting.has(correlationId)) {
      return call.reject(new RpcTimeoutError(procedure, timeoutMs));
    }
    call.reject(
      new RpcError(
        "overloaded",
        `Cannot call "${procedure}" as no place became free within ${timeoutMs} ms: ` +
          `${this.#maxPending} calls are pending ("maxPending")`,
        { retryable: true },
      ),
    );
  }

  #forget(call: PendingCall): void {
    const { correlationId } = call.request;
    if (!this.#waiting.delete(correlationId)) {
      this.#calls.delete(correlationId);
      if (!this.#settled.has(correlationId)) this.#remember(call, false);
      this.#admitNext();
    }
    if (this.size === 0) this.#onEmpty();
  }

  #admitNext(): void {
    for (const [correlationId, call] of this.#waiting) {
      if (this.#calls.size >= this.#maxPending) return;
      this.#waiting.delete(correlationId);
      this.#admit(call);
    }
  }

  #remember(call: PendingCall, hadReply: boolean): void {
    this.#settled.set(call.request.correlationId, hadReply);
    if (this.#settled.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#settled.keys()) {
      this.#settled.delete(oldest);
      return;
    }
  }
}
