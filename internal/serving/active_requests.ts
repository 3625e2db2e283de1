/** The requests that a server has in hand, and whether anybody still wants them. @module */

import { RpcError } from "../../errors.ts";
import { atMost } from "../at_most.ts";
import {
  type ControlMessage,
  type IncomingRequest,
  SERVER_NAMED_PREFIX,
} from "../protocol/envelope.ts";
import { RecentMap } from "../recent_map.ts";
import { isExpired } from "./request_context.ts";

/** One request in hand. */
export class ActiveRequest {
  readonly request: IncomingRequest;
  /** Unix milliseconds. */
  readonly startedAt: number = Date.now();
  /** Called once, when nobody wants the output any more. */
  onUnwanted: (reason: RpcError) => void = () => {};
  /** Called when the caller allows so many items more. */
  onCredit: (count: number) => void = () => {};
  #unwanted: RpcError | undefined;

  constructor(request: IncomingRequest) {
    this.request = request;
  }

  /** How a request ends that nobody wants any more. */
  get unwantedAs(): "orphaned" | "cancelled" | undefined {
    if (this.#unwanted === undefined) return undefined;
    return this.#unwanted.code === "orphaned" ? "orphaned" : "cancelled";
  }

  /** Whether somebody waits for the output. */
  get isWanted(): boolean {
    return this.#unwanted === undefined && !isExpired(this.request);
  }

  /** Notes that nobody wants the output any more. */
  drop(reason: RpcError): void {
    if (this.#unwanted !== undefined) return;
    this.#unwanted = reason;
    this.onUnwanted(reason);
  }
}

/** All requests in hand. */
export class ActiveRequests {
  readonly #requests = new Set<ActiveRequest>();
  /** Cancellations and dead reply queues, also for requests yet to come. */
  readonly #cancelled = new RecentMap<true>();
  readonly #gone = new RecentMap<true>();
  #onIdle: () => void = () => {};

  /** How many there are. */
  get size(): number {
    return this.#requests.size;
  }

  /** Takes a request in; it may be unwanted already. */
  add(request: IncomingRequest): ActiveRequest {
    const active = new ActiveRequest(request);
    this.#requests.add(active);
    const { correlationId, replyTo } = request;
    if (correlationId !== undefined && this.#cancelled.has(correlationId)) active.drop(cancelled());
    if (replyTo !== undefined && this.#gone.has(replyTo)) active.drop(orphaned());
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

  /** Hands credits to the streams of a request. */
  #grant(correlationId: string, count: number): void {
    for (const active of this.#requests) {
      if (active.request.correlationId === correlationId) active.onCredit(count);
    }
  }

  /** Notes a cancellation, which may come before its request. */
  cancel(correlationId: string): void {
    this.#cancelled.set(correlationId, true);
    this.#drop((request) => request.correlationId === correlationId, cancelled());
  }

  /** Notes that a reply queue is gone. Only one that the broker named never comes back. */
  markGone(replyTo: string): void {
    if (replyTo.startsWith(SERVER_NAMED_PREFIX)) this.#gone.set(replyTo, true);
    this.#drop((request) => request.replyTo === replyTo, orphaned());
  }

  /** The reply queues of requests that have been in hand for so long. */
  replyQueuesSince(ms: number): Set<string> {
    const latest = Date.now() - ms;
    const old = [...this.#requests].filter(({ startedAt }) => startedAt <= latest);
    return new Set(old.flatMap(({ request }) => request.replyTo ?? []));
  }

  /** Drops streams whose control queue is gone: no credits can come, and the request comes again. */
  dropStreams(reason: RpcError): void {
    this.#drop((request) => request.credits !== undefined, reason);
  }

  /** Drops all of them. */
  dropAll(reason: RpcError): void {
    this.#drop(() => true, reason);
  }

  /** Waits until there are none, at most so long. */
  async drain(graceMs: number): Promise<void> {
    if (this.#requests.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    await atMost(graceMs, promise);
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
  return new RpcError("orphaned", "Cannot go on with the request as its reply queue is gone");
}
