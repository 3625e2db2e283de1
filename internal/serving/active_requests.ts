/** The requests that a server has in hand, and whether their callers still wait. @module */

import type { MessageHeaders } from "../../contract.ts";
import type { RpcError } from "../../errors.ts";
import type { RpcServerEvent } from "../../options/events.ts";
import type { SettledOutcome } from "../../options/interceptors.ts";
import { DeadlineTimer, isExpired, waitAtMost } from "../time.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import {
  type ControlMessage,
  type IncomingRequest,
  readRequestEnvelope,
} from "../protocol/envelope.ts";
import { isDirectReply, isDurableReplyQueue, isServerNamed } from "../protocol/reply_address.ts";
import { RecentMap } from "../recent_map.ts";
import type { RunTiming } from "../run_timing.ts";
import { StreamCredits } from "../streaming/stream_credits.ts";
import { toPrintable } from "../text.ts";
import type { EncodedItem } from "../encoded_reply.ts";
import type { WorkPlace } from "../running/encoded_handler.ts";
import { dropReason } from "./callers/drop_reason.ts";
import type { RunningWork, Seat, SurroundingWork } from "./running_work.ts";
import { clockAheadMs, localDeadline, withoutClock } from "./request_context.ts";

/** How long a request runs before its reply queue is looked for, in milliseconds. */
const FIRST_LOOK_MS = 2_000;
/** The longest time from one look to the next, in milliseconds. */
const MAX_LOOK_MS = 30_000;

/**
 * How long a handler may go on once nobody waits for its output, in milliseconds. Then the place of
 * its request is free, whatever it does.
 */
const ABANDON_GRACE_MS = 500;

/** What an observer is told of a request that was settled. */
type ServedEvent = Extract<RpcServerEvent, { readonly type: "served" }>;

/** How a request waits for what runs. */
interface Waiting {
  readonly work: RunningWork;
  readonly seat: Seat;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "running"; readonly waiting: Waiting }
  | {
    readonly name: "dropped";
    readonly reason: RpcError;
    /** Whether the reason is the reply, as the caller waits for one. */
    readonly isReply: boolean;
    /** Absent if nothing ran. */
    readonly waiting: Waiting | undefined;
    /** When what runs is not waited for any more, by `performance.now()`. */
    readonly abandonAt: number;
  };

const IDLE: State = { name: "idle" };

/** One request in hand. */
export class ActiveRequest {
  readonly delivery: AmqpDelivery;
  request: IncomingRequest;
  /** When it came, in Unix milliseconds. */
  readonly startedAt: number = Date.now();
  /** The last that its handler told of how far it has come, if its caller wants to know. */
  progress: EncodedItem | undefined;
  /** How long its parts take; absent if nobody wants to know. */
  timing: RunTiming | undefined;
  /** When its reply queue is to be looked for, in Unix milliseconds. */
  #lookAt = this.startedAt + FIRST_LOOK_MS;
  /** Present for a stream. */
  readonly credits: StreamCredits | undefined;
  /** By how much our clock is ahead of its caller's at least, or behind; absent if they agree. */
  readonly clockAheadMs: number | undefined;
  /** What was thrown, or why it was not run. */
  error: unknown;
  /** How it was settled, once it is. */
  outcome: SettledOutcome = "unserved";
  /** Whether its reply is that of another request. */
  isReused = false;
  readonly #schedule: ((dueAt: number) => void) | undefined;
  /** When nobody can wait for its output any more, by `performance.now()`. */
  #expiresAt = Infinity;
  #state: State = IDLE;
  #around: SurroundingWork | undefined;

  /**
   * Takes a request that does not run.
   *
   * @param delivery How it came.
   * @param schedule Takes care that {@linkcode ActiveRequest.endDue} is called no later than then.
   */
  constructor(delivery: AmqpDelivery, schedule?: (dueAt: number) => void) {
    this.delivery = delivery;
    this.#schedule = schedule;
    const { properties } = delivery;
    const request = readRequestEnvelope(properties);
    this.clockAheadMs = clockAheadMs(request, properties.expiration);
    this.request = (this.clockAheadMs ?? 0) > 0 ? withoutClock(request) : request;
    const { credits } = this.request;
    this.credits = credits === undefined ? undefined : new StreamCredits(credits);
  }

  /** Tells of its end. */
  tellSettled(): void {
    this.#around?.settled(this.outcome);
  }

  /** What an observer is told of it, once it is settled. */
  report(): Pick<ServedEvent, "correlationId" | "error" | "timing"> {
    const { timing, error } = this;
    const { correlationId } = this.request;
    return {
      correlationId: correlationId && toPrintable(correlationId),
      ...(error !== undefined && { error }),
      ...(timing !== undefined && { timing: timing.report() }),
    };
  }

  /** Has the handler see other headers of the user's than came. */
  setHeaders(headers: MessageHeaders): void {
    this.request = { ...this.request, table: headers };
  }

  /** Why this server must not answer the request any more, if so. */
  get dropReason(): RpcError | undefined {
    return this.#state.name === "dropped" && !this.#state.isReply ? this.#state.reason : undefined;
  }

  /** Why the work was stopped, if that is the reply, whatever its handler makes of it. */
  get stopReason(): RpcError | undefined {
    return this.#state.name === "dropped" && this.#state.isReply ? this.#state.reason : undefined;
  }

  /** Where the work on it is; `undefined` if nothing runs for it. */
  get place(): WorkPlace | undefined {
    return this.#state.name === "idle" ? undefined : this.#state.waiting?.work.place();
  }

  /** How long it has been in hand, in milliseconds. */
  get runMs(): number {
    return Date.now() - this.startedAt;
  }

  /** Whether its reply may share a message with others. */
  get takesBatches(): boolean {
    return this.request.takesBatches;
  }

  /** Whether the caller waits for the output. */
  get isWanted(): boolean {
    return this.#state.name !== "dropped" && !isExpired(this.request.deadline);
  }

  /**
   * The reply queue of a request that has run for so long that it is to be looked for. A caller that
   * is gone then costs at most as much work again as it has cost already. A look at an address of
   * direct reply-to could cost the connection, and the client of a durable reply queue comes back.
   */
  takeDueReplyQueue(now: number): string | undefined {
    const { replyTo } = this.request;
    if (this.#state.name !== "running" || now < this.#lookAt) return undefined;
    if (replyTo === undefined || isDirectReply(replyTo)) return undefined;
    if (isDurableReplyQueue(replyTo)) return undefined;
    // Each look at a queue that is there leaves a line in the broker's log.
    this.#lookAt = now + Math.min(now - this.startedAt, MAX_LOOK_MS);
    return replyTo;
  }

  /** Whether it waits for that work, or for the confirm of its reply. */
  isOf(work: object): boolean {
    const waiting = this.#state.name === "idle" ? undefined : this.#state.waiting;
    return waiting !== undefined && (waiting.work === work || waiting.work.scope === work);
  }

  /** Notes what is around what will run, which is not waited for any longer. */
  surround(around: SurroundingWork): void {
    this.#around = around;
    this.#scheduleEnd();
  }

  /** Notes what runs for the request, and how it waits for the reply. */
  run(work: RunningWork, seat: Seat): void {
    this.#state = { name: "running", waiting: { work, seat } };
    this.#scheduleEnd();
  }

  #scheduleEnd(): void {
    const deadline = localDeadline(this.request);
    if (deadline !== undefined) {
      this.#expiresAt = performance.now() + deadline - Date.now() + ABANDON_GRACE_MS;
    }
    this.#schedule?.(this.dueAt);
  }

  /** When something is to be done about it by {@linkcode ActiveRequest.endDue}. */
  get dueAt(): number {
    const state = this.#state;
    if (state.name === "idle") return this.#around === undefined ? Infinity : this.#expiresAt;
    if (state.name === "dropped") return state.abandonAt;
    return Math.min(this.#expiresAt, this.#endsAt(state.waiting));
  }

  /**
   * Ends work that takes too long, and the wait for work that nobody wants.
   *
   * @returns Why the work is not waited for any more, if so.
   */
  endDue(now: number): RpcError | undefined {
    if (now < this.dueAt) return undefined;
    if (this.#state.name === "running") {
      const { waiting } = this.#state;
      if (now < this.#expiresAt) return void this.stop(waiting.work.overrun());
    }
    if (this.#state.name !== "dropped") this.drop(dropReason("expired"));
    return this.#abandon();
  }

  /** Allows so many items of a stream more. */
  grant(count: number): void {
    if (this.#state.name !== "running") return;
    this.credits?.grant(count);
    this.#state.waiting.work.grant(count);
  }

  /** Ends the work on the request, whose reply is a reason that is known already. */
  stop(reason: RpcError): void {
    const isBegun = this.#state.name === "running" || this.#around !== undefined;
    if (isBegun && this.#state.name !== "dropped") this.#end(reason, true);
  }

  /** Ends the work on the request, as its output goes nowhere; only the first reason counts. */
  drop(reason: RpcError): void {
    if (this.#state.name !== "dropped") this.#end(reason, false);
  }

  #end(reason: RpcError, isReply: boolean): void {
    const waiting = this.#state.name === "running" ? this.#state.waiting : undefined;
    const isAwaited = waiting !== undefined || this.#around !== undefined;
    const abandonAt = isAwaited ? performance.now() + ABANDON_GRACE_MS : Infinity;
    this.#state = { name: "dropped", reason, isReply, waiting, abandonAt };
    waiting?.work.leave(waiting.seat, reason);
    this.#schedule?.(abandonAt);
  }

  #endsAt({ work }: Waiting): number {
    return work.endsAt + (this.credits?.allPausesMs ?? 0);
  }

  #abandon(): RpcError | undefined {
    if (this.#state.name !== "dropped") return undefined;
    const { reason, waiting } = this.#state;
    this.#state = { ...this.#state, waiting: undefined, abandonAt: Infinity };
    const wasRunning = waiting?.work.abandon(waiting.seat, reason);
    return this.#around?.abandon(reason) || wasRunning ? reason : undefined;
  }
}

/** What a request is known by before it is served. */
type Origin = Pick<IncomingRequest, "correlationId" | "replyTo">;

/** All requests in hand. */
export class ActiveRequests {
  readonly #requests = new Set<ActiveRequest>();
  /** Cancelled calls and missing reply queues, also of requests yet to come. */
  readonly #cancelled = new RecentMap<true>();
  readonly #orphaned = new RecentMap<true>();
  readonly #onAbandoned: (active: ActiveRequest, reason: RpcError) => void;
  readonly #timer = new DeadlineTimer(() => this.#endDue());
  readonly #schedule = (dueAt: number): void => {
    if (this.#closed === undefined && dueAt < Infinity) this.#timer.schedule(dueAt);
  };
  #closed: RpcError | undefined;
  /** Of batches, see {@linkcode ActiveRequests.hold}. */
  #replied = 0;
  /** Look whether they have waited for long enough. */
  readonly #drains = new Set<() => void>();

  /**
   * Makes an empty set.
   *
   * @param onAbandoned Told that the handler of a request goes on, and that nobody waits for it.
   */
  constructor(onAbandoned: (active: ActiveRequest, reason: RpcError) => void = () => {}) {
    this.#onAbandoned = onAbandoned;
  }

  /** How many there are, those of batches that wait for the confirm of their reply included. */
  get size(): number {
    return this.#requests.size + this.#replied;
  }

  /** How many of them take a place of the server. */
  get running(): number {
    return this.#requests.size;
  }

  /**
   * Notes that so many requests of a batch more are in hand which are run, or have been, at once; a
   * negative number if they are settled.
   */
  hold(count: number): void {
    this.#replied += count;
    this.#look();
  }

  /** Whether a request that is not here would be dropped. */
  drops(request: Origin): boolean {
    const isQuiet = this.#cancelled.isEmpty && this.#orphaned.isEmpty;
    return this.#closed !== undefined || !isQuiet && this.#reasonToDrop(request) !== undefined;
  }

  /** How long the one that came first has been in hand, in milliseconds. */
  get oldestMs(): number {
    const [oldest] = this.#requests;
    return oldest?.runMs ?? 0;
  }

  /** Takes a request in; it may be dropped already. */
  add(delivery: AmqpDelivery): ActiveRequest {
    const active = new ActiveRequest(delivery, this.#schedule);
    this.#requests.add(active);
    const reason = this.#closed ?? this.#reasonToDrop(active.request);
    if (reason !== undefined) active.drop(reason);
    return active;
  }

  /** Lets a request go. */
  delete(active: ActiveRequest): void {
    this.#requests.delete(active);
    this.#look();
    active.tellSettled();
  }

  #look(): void {
    if (this.#drains.size > 0) { for (const look of this.#drains) look(); }
  }

  /** Does what a client says of a request. */
  obey(message: ControlMessage): void {
    switch (message.type) {
      case "cancel":
        return this.cancel(message.correlationId);
      case "credit":
        return this.#grant(message.correlationId, message.count);
    }
  }

  /** Notes a cancellation, which may come before its request. */
  cancel(correlationId: string): void {
    this.#cancelled.set(correlationId, true);
    this.#drop((request) => request.correlationId === correlationId, dropReason("cancelled"));
  }

  /**
   * Notes that a reply queue does not exist. Only one that the broker named never comes back, unless
   * it is on a node that cannot be reached.
   */
  markOrphaned(
    replyTo: string,
    { mayReturn = false }: { readonly mayReturn?: boolean } = {},
  ): void {
    if (isServerNamed(replyTo) && !mayReturn) this.#orphaned.set(replyTo, true);
    this.#drop((request) => request.replyTo === replyTo, dropReason("orphaned"));
  }

  /** All of them, those that came first in front. */
  all(): readonly ActiveRequest[] {
    return [...this.#requests];
  }

  /** The streams among them. */
  streams(): readonly ActiveRequest[] {
    return [...this.#requests].filter(({ credits }) => credits !== undefined);
  }

  /** The reply queues that are to be looked for now. */
  takeDueReplyQueues(): Set<string> {
    const now = Date.now();
    const queues = [...this.#requests].flatMap((active) => active.takeDueReplyQueue(now) ?? []);
    return new Set(queues);
  }

  /** Drops streams whose control queue is gone: no credits can come, and the request comes again. */
  dropStreams(reason: RpcError): void {
    this.#drop((request) => request.credits !== undefined, reason);
  }

  /** Drops all of them, and whatever still comes. */
  close(reason: RpcError): void {
    this.#closed = reason;
    this.#timer.stop();
    this.#drop(() => true, reason);
  }

  /** Whether a request waits for that work. */
  have(work: object): boolean {
    return [...this.#requests].some((active) => active.isOf(work));
  }

  /** Waits until there are none, or only those of that work, at most so long. */
  async drain(graceMs: number, except?: object): Promise<void> {
    const isDone = () =>
      this.#replied === 0 &&
      [...this.#requests].every((active) => except !== undefined && active.isOf(except));
    if (isDone()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (isDone()) resolve();
    };
    this.#drains.add(look);
    await waitAtMost(graceMs, promise);
    this.#drains.delete(look);
  }

  #endDue(): number | undefined {
    const now = performance.now();
    let next = Infinity;
    for (const active of this.#requests) {
      const reason = active.endDue(now);
      if (reason !== undefined) this.#onAbandoned(active, reason);
      next = Math.min(next, active.dueAt);
    }
    return next === Infinity ? undefined : next;
  }

  #reasonToDrop({ correlationId, replyTo }: Origin): RpcError | undefined {
    if (correlationId && this.#cancelled.has(correlationId)) return dropReason("cancelled");
    return replyTo && this.#orphaned.has(replyTo) ? dropReason("orphaned") : undefined;
  }

  #grant(correlationId: string, count: number): void {
    for (const active of this.#requests) {
      if (active.request.correlationId === correlationId) active.grant(count);
    }
  }

  #drop(isMeant: (request: IncomingRequest) => boolean, reason: RpcError): void {
    for (const active of this.#requests) {
      if (isMeant(active.request)) active.drop(reason);
    }
  }
}
