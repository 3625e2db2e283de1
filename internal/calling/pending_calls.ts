/** Calls that wait for a reply, or for a place among those that do. @module */

import type { CallPhase, CallReport, CallTiming, RpcError } from "../../errors.ts";
import type { RpcClientEvent } from "../../options/events.ts";
import type { BrokerNode } from "../../options/interceptors.ts";
import type { RpcClientStats } from "../../options/client_options.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { IncomingItem } from "../protocol/envelope.ts";
import { RecentMap } from "../recent_map.ts";
import { DeadlineTimer, waitAtMost } from "../time.ts";
import { overloaded, timedOut } from "./call_errors.ts";
import { callTimingOf, type ObservedReply, ServerClocks } from "./call_timing.ts";
import type { CallRequest } from "./call_request.ts";

/** What an observer is told of a call's outcome. */
type CallSettledEvent = Extract<RpcClientEvent, { readonly type: "call-settled" }>;
/** How long before its deadline a call is about to time out, in milliseconds. */
const ASK_BEFORE_MS = 100;

/** Calls with less time than that are not asked about, in milliseconds. */
const MIN_ASKED_MS = 300;

/** Options of {@linkcode PendingCalls}. */
export interface PendingCallsOptions {
  /** Most calls that wait for a reply; the others wait for a place. */
  readonly maxPending: number;
  /** Knows what is wrong with the connection, if anything is. */
  readonly watch?: { readonly trouble: string | undefined };
  /** Called when a call that waited has its place. */
  readonly onPlace: (call: PendingCall) => void;
  /** Called when a call was abandoned before it had its outcome. */
  readonly onAbandoned: (call: PendingCall) => void;
  /** Told of the outcome of each call that was started; absent if nobody wants to know. */
  readonly onOutcome?: ((event: CallSettledEvent) => void) | undefined;
  /** Absent if nobody wants to know why calls time out. */
  readonly reasons?: CallReasons | undefined;
}

/** Finds out why calls time out. */
export interface CallReasons {
  /** Called shortly before a call times out. */
  ask(call: PendingCall): void;
  /** Says where the request of a call is that times out, if that is known. */
  wordsOf(call: PendingCall): string | undefined;
}

/** All calls of a client that are not settled. */
export class PendingCalls {
  readonly #options: PendingCallsOptions;
  /** Of the servers that reply. */
  readonly clocks: ServerClocks = new ServerClocks();
  readonly #calls = new Map<string, PendingCall>();
  readonly #waiting = new Map<string, PendingCall>();
  /** Whether a settled call had its reply: tells late and duplicate replies from unknown ones. */
  readonly #settled = new RecentMap<boolean>();
  #lateReplies = 0;
  /** Replies to calls that have had one. */
  duplicateReplies = 0;
  #unknownReplies = 0;
  #onEmpty: () => void = () => {};
  /** Calls that have a place and no entry, as somebody else waits for them. */
  plain = 0;
  /** Left running between calls, for the next one. */
  readonly #timer = new DeadlineTimer(() => this.#expireDue());

  constructor(options: PendingCallsOptions) {
    this.#options = options;
  }

  /** Calls that are not settled. */
  get size(): number {
    return this.#calls.size + this.#waiting.size + this.plain;
  }

  /** Whether a call gets a place at once. */
  get hasPlace(): boolean {
    return this.#calls.size + this.plain < this.#options.maxPending;
  }

  /** Notes that one of {@linkcode PendingCalls.plain} has its outcome. */
  release(): void {
    this.plain--;
    if (this.#waiting.size > 0) this.#admitNext();
    if (this.size === 0) this.#onEmpty();
  }

  /** Takes over one of them: from now on it is a call as any other. */
  takeOver(call: PendingCall): void {
    this.plain--;
    this.#calls.set(call.request.correlationId, call);
    this.#timer.schedule(this.#lookAt(call));
  }

  /** Counts for {@linkcode RpcClient.stats}. */
  stats(): RpcClientStats {
    return {
      pending: this.#calls.size + this.plain,
      waiting: this.#waiting.size,
      lateReplies: this.#lateReplies,
      duplicateReplies: this.duplicateReplies,
      unknownReplies: this.#unknownReplies,
    };
  }

  /**
   * Puts a call in and starts its clock.
   *
   * @returns Whether it has a place; otherwise `onPlace` tells when it has.
   */
  add(call: PendingCall): boolean {
    this.#timer.schedule(this.#lookAt(call));
    const { hasPlace } = this;
    (hasPlace ? this.#calls : this.#waiting).set(call.request.correlationId, call);
    return hasPlace;
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
    if (hadReply) this.duplicateReplies++;
    else this.#lateReplies++;
    return "settled";
  }

  /** Counts a reply that belongs to no call. */
  countUnknown(): void {
    this.#unknownReplies++;
  }

  /** The calls that have a place and are not settled, oldest first. */
  started(): readonly PendingCall[] {
    return [...this.#calls.values()];
  }

  /** Ends the streams: their readers may be what waits for the end of all calls. */
  abandonStreams(reason: (call: PendingCall) => RpcError): void {
    for (const call of [...this.#waiting.values(), ...this.#calls.values()]) {
      if (call.request.kind === "stream") call.abandon(reason(call));
    }
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

  /** Told by a call that it has its outcome: its place is free for one that waits. */
  onSettled(call: PendingCall): void {
    const { correlationId, kind } = call.request;
    if (!this.#waiting.delete(correlationId)) {
      this.#calls.delete(correlationId);
      // Nobody replies to a notification.
      if (kind !== "notify") this.#settled.set(correlationId, call.phase === "replied");
      if (this.#waiting.size > 0) this.#admitNext();
    }
    if (this.size === 0) this.#onEmpty();
  }

  /** Whether somebody wants to know of outcomes. */
  get areObserved(): boolean {
    return this.#options.onOutcome !== undefined;
  }

  /** Told of the outcome of a call: the error, if it has one. No user code runs before this returns. */
  onOutcome(call: PendingCall, error: unknown): void {
    const { onOutcome } = this.#options;
    if (onOutcome === undefined) return;
    call.observed ??= {
      receivedAt: undefined,
      settledAt: undefined,
      decodeMs: 0,
      server: undefined,
    };
    call.observed.settledAt ??= performance.now();
    queueMicrotask(() => onOutcome(call.describe(error)));
  }

  /** Told by a call that it was abandoned. */
  onAbandoned(call: PendingCall): void {
    this.#options.onAbandoned(call);
  }

  #admitNext(): void {
    for (const [correlationId, call] of this.#waiting) {
      if (!this.hasPlace) return;
      this.#waiting.delete(correlationId);
      this.#calls.set(correlationId, call);
      this.#options.onPlace(call);
    }
  }

  #expireDue(): number | undefined {
    const now = performance.now();
    let next = Infinity;
    for (const call of [...this.#waiting.values(), ...this.#calls.values()]) {
      if (call.dueAt <= now) this.#expire(call);
      else next = Math.min(next, this.#askIfNear(call, now));
    }
    return next === Infinity ? undefined : next;
  }

  /** When something is to be done about a call. */
  #lookAt({ dueAt, askAt }: PendingCall): number {
    return this.#options.reasons === undefined ? dueAt : Math.min(dueAt, askAt);
  }

  #askIfNear(call: PendingCall, now: number): number {
    if (this.#lookAt(call) > now) return this.#lookAt(call);
    call.askBeforeMs = undefined;
    this.#options.reasons?.ask(call);
    return call.dueAt;
  }

  #expire(call: PendingCall): void {
    const { kind, timeoutMs, correlationId } = call.request;
    if (this.#waiting.has(correlationId)) {
      return call.reject(overloaded(call.report(), timeoutMs, this.#options.maxPending));
    }
    const { watch, reasons } = this.#options;
    const state = { trouble: watch?.trouble, known: reasons?.wordsOf(call) };
    const error = timedOut(call.report(), timeoutMs, state);
    // The server of a stream may wait for credits: it does not see the deadline by itself.
    return kind === "stream" ? call.abandon(error) : call.reject(error);
  }
}

/**
 * A call that waits for its outcome, and gets exactly one. There may be 100,000 of them, so that what
 * can be reckoned, or is there at the end only, has no field of its own.
 */
export class PendingCall {
  readonly request: CallRequest;
  /**
   * Settles with the reply, or with none for a notification that the broker has; rejects with the
   * reason why there is no reply.
   */
  readonly reply: Promise<AmqpDelivery | undefined>;
  /** How often the request was published. */
  attempts = 0;
  /** How long before its end to ask where its request is, in milliseconds; absent once it was asked. */
  askBeforeMs: number | undefined;
  /** Where it was published last; absent for the default exchange. */
  exchange: string | undefined;
  /** When the broker first refused the request, by `performance.now()`. */
  strandedAt: number | undefined;
  publishedAt: number | undefined;
  confirmedAt: number | undefined;
  /** Of its outcome; absent until it is there, and unless somebody wants to know. */
  observed: ObservedReply | undefined;
  /** How far the call has come. */
  phase: CallPhase = "not-published";
  readonly #startedAt: number;
  readonly #resolve: (outcome: AmqpDelivery | undefined | Promise<never>) => void;
  readonly #calls: PendingCalls;
  /** Listens to the signals, if there are any. */
  #abort: (() => void) | undefined;
  #isSettled = false;

  /**
   * Makes a call that waits.
   *
   * @param request Its request.
   * @param calls Those that it belongs to.
   * @param startedAt When its clock started, by `performance.now()`.
   */
  constructor(request: CallRequest, calls: PendingCalls, startedAt: number = performance.now()) {
    const { promise, resolve } = Promise.withResolvers<AmqpDelivery | undefined>();
    this.request = request;
    this.#startedAt = startedAt;
    this.reply = promise;
    const isAsked = request.kind !== "notify" && request.timeoutMs >= MIN_ASKED_MS;
    this.askBeforeMs = isAsked ? ASK_BEFORE_MS : undefined;
    this.#resolve = resolve;
    this.#calls = calls;
    if (request.signals.length > 0) this.#abort = this.#listen();
  }

  /** When the caller stops waiting, by `performance.now()`: nobody sets that clock back. */
  get dueAt(): number {
    return this.#startedAt + this.request.timeoutMs;
  }

  /** When to ask where its request is, by `performance.now()`. */
  get askAt(): number {
    return this.askBeforeMs === undefined ? Infinity : this.dueAt - this.askBeforeMs;
  }

  /** Whether the call has its outcome. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Told that its request is about to be sent, to which exchange of which node. */
  onPublish(exchange: PendingCall["exchange"], broker: BrokerNode): void {
    this.exchange = exchange;
    this.request.onStep?.({ type: "published", attempt: this.attempts + 1, broker });
    this.phase = "unconfirmed";
    this.publishedAt = performance.now();
    this.confirmedAt = undefined;
  }

  /** Told that the broker has its request. */
  onConfirmed(): void {
    if (this.phase === "unconfirmed") this.phase = "queued";
    this.confirmedAt = performance.now();
    this.request.onStep?.({ type: "confirmed" });
  }

  /** What an error says of the call. */
  report(): CallReport {
    const { procedure, queue } = this.request;
    const elapsedMs = Math.round(performance.now() - this.#startedAt);
    return { procedure, queue, elapsedMs, phase: this.phase, timing: this.timing() };
  }

  /** Where its time went so far. */
  timing(): CallTiming {
    return callTimingOf(this, this.observed?.server, this.#calls.clocks);
  }

  /** When it was called, by `performance.now()`; so are the other moments. */
  get calledAt(): number {
    return this.request.calledAt;
  }
  /** When its input was encoded. */
  get encodedAt(): number {
    return this.#startedAt;
  }
  /** When its reply was read. */
  get receivedAt(): number | undefined {
    return this.observed?.receivedAt;
  }
  /** When its outcome was known. */
  get settledAt(): number | undefined {
    return this.observed?.settledAt;
  }
  /** How long its output was decoded, in milliseconds. */
  get decodeMs(): number {
    return this.observed?.decodeMs ?? 0;
  }

  /** What an observer is told of the outcome. */
  describe(error: unknown): CallSettledEvent {
    const { kind, procedure, correlationId } = this.request;
    const { attempts } = this;
    const timing = this.timing();
    const event = {
      type: "call-settled",
      kind,
      procedure,
      correlationId,
      attempts,
      timing,
    } as const;
    return error === undefined ? event : { ...event, error };
  }

  /** Whether somebody wants to know of the outcome. */
  get isObserved(): boolean {
    return this.#calls.areObserved;
  }

  /** Tells the outcome, once its reply is read. */
  tell(error: unknown): void {
    this.#calls.onOutcome(this, error);
  }

  /** Takes what comes before the reply. */
  accept(item: IncomingItem, reply: AmqpDelivery): void {
    this.phase = "running";
    if (item.type !== "taken") this.request.sink?.accept(item, reply);
    reply.ack();
  }

  /** Ends the call well, and a notification without a reply. Does nothing if it is settled. */
  resolve(reply: AmqpDelivery | undefined): void {
    if (this.#settle()) this.#resolve(reply);
  }

  /** Ends the call with a reason. Does nothing if it is settled. */
  reject(reason: unknown): void {
    if (!this.#settle()) return;
    this.#resolve(Promise.reject(reason));
    this.#calls.onOutcome(this, reason);
  }

  /** Ends the call because its caller does not want it any more. */
  abandon(reason: unknown): void {
    if (!this.#settle()) return;
    this.#resolve(Promise.reject(reason));
    this.#calls.onOutcome(this, reason);
    this.request.sink?.onAbandoned?.(reason);
    this.#calls.onAbandoned(this);
  }

  #listen(): () => void {
    const { signals } = this.request;
    const abort = () => this.abandon(signals.find((signal) => signal.aborted)?.reason);
    for (const signal of signals) signal.addEventListener("abort", abort);
    return abort;
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    if (this.#abort !== undefined) {
      for (const signal of this.request.signals) signal.removeEventListener("abort", this.#abort);
    }
    this.#calls.onSettled(this);
    return true;
  }
}
