/** The requests that a server has in hand, and whether their callers still wait. @module */

import { RpcError } from "../../errors.ts";
import { isExpired, waitAtMost } from "../time.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import {
  type ControlMessage,
  type IncomingRequest,
  readRequestEnvelope,
} from "../protocol/envelope.ts";
import { isDirectReply, isDurableReplyQueue, isServerNamed } from "../protocol/reply_address.ts";
import { RecentMap } from "../recent_map.ts";
import { StreamCredits } from "../streaming/stream_credits.ts";
import type { EncodedReply } from "../encoded_reply.ts";

/** How long a request runs before its reply queue is looked for, in milliseconds. */
const FIRST_LOOK_MS = 2_000;
/** The longest time from one look to the next, in milliseconds. */
const MAX_LOOK_MS = 30_000;

/** The wait of one request for the reply to what runs. */
export type Seat = PromiseWithResolvers<EncodedReply>;

/** What runs for a request, perhaps for others, too. */
export interface RunningWork {
  /** A request was dropped, and does not wait for the reply any more. */
  leave(seat: Seat, reason: RpcError): void;
  /** Allows so many items of a stream more. */
  grant(count: number): void;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "running"; readonly work: RunningWork; readonly seat: Seat }
  | { readonly name: "dropped"; readonly reason: RpcError };

const IDLE: State = { name: "idle" };

/** One request in hand. */
export class ActiveRequest {
  readonly delivery: AmqpDelivery;
  readonly request: IncomingRequest;
  readonly #startedAt = Date.now();
  /** When its reply queue is to be looked for, in Unix milliseconds. */
  #lookAt = this.#startedAt + FIRST_LOOK_MS;
  /** Present for a stream. */
  readonly credits: StreamCredits | undefined;
  #state: State = IDLE;

  constructor(delivery: AmqpDelivery) {
    this.delivery = delivery;
    this.request = readRequestEnvelope(delivery.properties);
    const { credits } = this.request;
    this.credits = credits === undefined ? undefined : new StreamCredits(credits);
  }

  /** Why this server must not answer the request any more, if so. */
  get dropReason(): RpcError | undefined {
    return this.#state.name === "dropped" ? this.#state.reason : undefined;
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
    this.#lookAt = now + Math.min(now - this.#startedAt, MAX_LOOK_MS);
    return replyTo;
  }

  /** Notes what runs for the request, and how it waits for the reply. */
  run(work: RunningWork, seat: Seat): void {
    this.#state = { name: "running", work, seat };
  }

  /** Allows so many items of a stream more. */
  grant(count: number): void {
    if (this.#state.name !== "running") return;
    this.credits?.grant(count);
    this.#state.work.grant(count);
  }

  /** Ends the work on the request, whose reply is a reason that is known already. */
  stop(reason: RpcError): void {
    if (this.#state.name === "running") this.#state.work.leave(this.#state.seat, reason);
  }

  /** Ends the work on the request, as its output goes nowhere; only the first reason counts. */
  drop(reason: RpcError): void {
    const state = this.#state;
    if (state.name === "dropped") return;
    this.#state = { name: "dropped", reason };
    if (state.name === "running") state.work.leave(state.seat, reason);
  }
}

/** All requests in hand. */
export class ActiveRequests {
  readonly #requests = new Set<ActiveRequest>();
  /** Cancelled calls and missing reply queues, also of requests yet to come. */
  readonly #cancelled = new RecentMap<true>();
  readonly #orphaned = new RecentMap<true>();
  #closed: RpcError | undefined;
  #onIdle: () => void = () => {};

  /** How many there are. */
  get size(): number {
    return this.#requests.size;
  }

  /** Takes a request in; it may be dropped already. */
  add(delivery: AmqpDelivery): ActiveRequest {
    const active = new ActiveRequest(delivery);
    this.#requests.add(active);
    const reason = this.#closed ?? this.#reasonToDrop(active.request);
    if (reason !== undefined) active.drop(reason);
    return active;
  }

  /** Lets a request go. */
  delete(active: ActiveRequest): void {
    this.#requests.delete(active);
    if (this.#requests.size === 0) this.#onIdle();
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
    this.#drop((request) => request.correlationId === correlationId, cancelled());
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
    this.#drop((request) => request.replyTo === replyTo, orphaned());
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
    this.#drop(() => true, reason);
  }

  /** Waits until there are none, at most so long. */
  async drain(graceMs: number): Promise<void> {
    if (this.#requests.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    await waitAtMost(graceMs, promise);
  }

  #reasonToDrop({ correlationId, replyTo }: IncomingRequest): RpcError | undefined {
    if (correlationId !== undefined && this.#cancelled.has(correlationId)) return cancelled();
    return replyTo !== undefined && this.#orphaned.has(replyTo) ? orphaned() : undefined;
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

function cancelled(): RpcError {
  return new RpcError("cancelled", "Cannot go on with the request as its caller has cancelled it");
}

function orphaned(): RpcError {
  return new RpcError(
    "orphaned",
    "Cannot go on with the request as its reply queue does not exist any more",
  );
}
