/** Calls that wait for a reply, or for a place among those that do. @module */

import { RpcError, RpcTimeoutError } from "../../errors.ts";
import { DeadlineTimer, waitAtMost } from "../time.ts";
import { type CallOwner, type CallRequest, PendingCall } from "./pending_call.ts";
import { RecentMap } from "../recent_map.ts";

/** How many calls, and what became of the replies that belonged to none. */
export interface PendingCallsStats {
  readonly pending: number;
  readonly waiting: number;
  readonly lateReplies: number;
  readonly duplicateReplies: number;
  readonly unknownReplies: number;
}

/** What the table's owner does for it. */
export interface CallTableOwner {
  /** Publishes a call's request once the call has a place. */
  start(call: PendingCall): void;
  /** Tells the servers that nobody wants the call's output any more. */
  onAbandoned(call: PendingCall): void;
}

/** All calls of a client that wait for a reply, or for a place among those that do. */
export class PendingCalls {
  readonly #maxPending: number;
  readonly #owner: CallTableOwner;
  readonly #calls = new Map<string, PendingCall>();
  readonly #waiting = new Map<string, PendingCall>();
  /** Whether a settled call had its reply: tells late and duplicate replies from strangers'. */
  readonly #settled = new RecentMap<boolean>();
  #lateReplies = 0;
  #duplicateReplies = 0;
  #unknownReplies = 0;
  #onEmpty: () => void = () => {};
  readonly #callOwner: CallOwner = {
    onSettled: (call) => this.#forget(call),
    onAbandoned: (call) => this.#owner.onAbandoned(call),
  };
  /** Left running between calls, for the next one. */
  readonly #timer = new DeadlineTimer(() => this.#expireDue());

  /**
   * Makes an empty table.
   *
   * @param maxPending Most calls that wait for a reply; the others wait for a place.
   * @param owner Publishes requests, and cancels them.
   */
  constructor(maxPending: number, owner: CallTableOwner) {
    this.#maxPending = maxPending;
    this.#owner = owner;
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
    const call = new PendingCall(request, this.#callOwner);
    this.#timer.schedule(call.dueAt);
    if (this.#calls.size < this.#maxPending) this.#admit(call);
    else this.#waiting.set(request.correlationId, call);
    return call;
  }

  /** Finds an unsettled call. */
  get(correlationId: string): PendingCall | undefined {
    return this.#calls.get(correlationId) ?? this.#waiting.get(correlationId);
  }

  /** Finds the call that a reply belongs to, and counts late and duplicate replies. */
  claim(correlationId: string | undefined): PendingCall | "settled" | "unknown" {
    if (correlationId === undefined) return "unknown";
    const call = this.#calls.get(correlationId);
    if (call !== undefined) return call;
    const hadReply = this.#settled.get(correlationId);
    if (hadReply === undefined) return "unknown";
    if (hadReply) this.#duplicateReplies++;
    else this.#lateReplies++;
    return "settled";
  }

  /** Counts a reply that nobody can make anything of. */
  countUnknown(): void {
    this.#unknownReplies++;
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
    await waitAtMost(graceMs, promise);
  }

  /** Ends all calls, and the timer with them. */
  rejectAll(reason: (call: PendingCall) => RpcError): void {
    this.#timer.stop();
    for (const call of [...this.#waiting.values(), ...this.#calls.values()]) {
      call.reject(reason(call));
    }
  }

  #admit(call: PendingCall): void {
    this.#calls.set(call.request.correlationId, call);
    this.#owner.start(call);
  }

  #expireDue(): number | undefined {
    const now = performance.now();
    let next = Infinity;
    for (const call of [...this.#waiting.values(), ...this.#calls.values()]) {
      if (call.dueAt <= now) this.#expire(call);
      else next = Math.min(next, call.dueAt);
    }
    return next === Infinity ? undefined : next;
  }

  #expire(call: PendingCall): void {
    const { procedure, timeoutMs, correlationId } = call.request;
    const report = { call: call.report() };
    if (!this.#waiting.has(correlationId)) {
      const error = new RpcTimeoutError(procedure, timeoutMs, report);
      // The server of a stream may wait for credits: it does not see the deadline by itself.
      return call.request.sink?.credits === undefined ? call.reject(error) : call.abandon(error);
    }
    call.reject(
      new RpcError(
        "overloaded",
        `Cannot call "${procedure}" as no place became free within ${timeoutMs} ms: ` +
          `${this.#maxPending} calls are pending ("maxPending")`,
        { retryable: true, ...report },
      ),
    );
  }

  #forget(call: PendingCall): void {
    const { correlationId } = call.request;
    if (!this.#waiting.delete(correlationId)) {
      this.#calls.delete(correlationId);
      // Nobody replies to a notification.
      if (call.request.awaits === "reply") {
        this.#settled.set(correlationId, call.phase === "replied");
      }
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
}
