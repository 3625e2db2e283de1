/** The call context of a request that is being served. @module */

import type { CallContext, HeaderValue, MessageHeaders } from "../../contract.ts";
import { readMessageHeaders, withHeader } from "../message_headers.ts";
import { CLOCK_TOLERANCE_MS, isExpired, MAX_TIMEOUT_MS } from "../time.ts";
import type { IncomingRequest } from "../protocol/envelope.ts";

type State =
  | { readonly name: "running" }
  | { readonly name: "aborted"; readonly reason: unknown }
  | { readonly name: "over" };

const RUNNING: State = { name: "running" };
const OVER: State = { name: "over" };

/** What a context is made of. */
export type ContextRequest = Pick<
  IncomingRequest,
  "correlationId" | "table" | "deadline" | "expiresInMs" | "credits"
>;

/** What a handler may know of its request, with a signal that costs nothing unless used. */
export class RequestContext implements CallContext, Disposable {
  readonly procedure: string;
  readonly correlationId: string | undefined;
  readonly redeliveries: number;
  /** What the handler has set; absent if nothing. */
  replyHeaders: MessageHeaders | undefined;
  readonly #table: IncomingRequest["table"];
  #state: State = RUNNING;
  #deadline: number | undefined;
  #controller: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(procedure: string, request: ContextRequest, redeliveries: number) {
    this.procedure = procedure;
    this.correlationId = request.correlationId;
    this.redeliveries = redeliveries;
    this.#table = request.table;
    this.#deadline = localDeadline(request);
  }

  get deadline(): number | undefined {
    return this.#deadline;
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#open();
    return this.#controller.signal;
  }

  throwIfCancelled(): void {
    // Without a signal, no timer tells of the deadline.
    if (this.#state.name === "running" && this.#deadline !== undefined) {
      if (Date.now() >= this.#deadline) this.abort(deadlinePassed());
    }
    if (this.#state.name === "aborted") throw this.#state.reason;
  }

  get headers(): MessageHeaders {
    return readMessageHeaders(this.#table);
  }

  setReplyHeader(name: string, value: HeaderValue): void {
    this.replyHeaders = withHeader("set a header of the reply", this.replyHeaders, [name, value]);
  }

  /** Goes nowhere: the handlers of callers that want it get another context. */
  progress(_value: unknown): void {}

  /** Tells the handler that nobody waits for its output any more. */
  abort(reason: unknown): void {
    if (this.#state.name === "aborted") return;
    this.#state = { name: "aborted", reason };
    // The handler may go on for ever.
    clearTimeout(this.#timer);
    this.#controller?.abort(reason);
  }

  /** Notes that another caller waits for the same output, and perhaps for longer. */
  prolong(request: IncomingRequest): void {
    this.#deadline = latest(this.#deadline, localDeadline(request));
    if (this.#timer !== undefined) this.#watch();
  }

  /** Ends the watch over the deadline. */
  [Symbol.dispose](): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#state === RUNNING) this.#state = OVER;
  }

  #open(): AbortController {
    const controller = new AbortController();
    if (this.#state.name === "aborted") controller.abort(this.#state.reason);
    else this.#watch();
    return controller;
  }

  #watch(): void {
    clearTimeout(this.#timer);
    if (this.#deadline === undefined || this.#state !== RUNNING) return;
    const leftMs = Math.max(0, this.#deadline - Date.now());
    this.#timer = setTimeout(() => {
      this.abort(deadlinePassed());
    }, Math.min(leftMs, MAX_TIMEOUT_MS));
  }
}

function deadlinePassed(): DOMException {
  return new DOMException("The deadline of the call has passed", "TimeoutError");
}

/** No deadline is later than any. */
function latest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : Math.max(one, other);
}

/**
 * Tells by how much our clock is ahead of the caller's at least, in milliseconds; negative if it is
 * behind. What has just come with the time limit unspent that the broker keeps cannot be late.
 *
 * @param request A request that has just come.
 * @param expiration Its time limit, as it was published; the broker takes numbers only.
 * @returns `undefined` if it does not matter, or cannot be known.
 */
export function clockAheadMs(
  { deadline, expiresInMs, credits }: Pick<
    IncomingRequest,
    "deadline" | "expiresInMs" | "credits"
  >,
  expiration: string | undefined,
): number | undefined {
  if (deadline === undefined || expiration === undefined) return undefined;
  if (isExpired(deadline)) return Date.now() - deadline;
  // What expires a stream's request is the wait for its first item.
  if (expiresInMs === undefined || credits !== undefined) return undefined;
  const behindMs = deadline - Date.now() - expiresInMs;
  return behindMs <= CLOCK_TOLERANCE_MS ? undefined : -behindMs;
}

/** A request whose deadline has not passed, in spite of our clock: the time limit counts from now. */
export function withoutClock(request: IncomingRequest): IncomingRequest {
  const { expiresInMs } = request;
  // What was for now or never has no time limit to go by.
  const deadline = expiresInMs === undefined ? undefined : Date.now() + expiresInMs;
  return { ...request, deadline };
}

/**
 * The deadline by our clock, never too early: no later than the time that the request had when it
 * was published, counted from now, which is exact for a request that came at once.
 */
export function localDeadline(request: ContextRequest): number | undefined {
  const { deadline } = request;
  // What expires a stream's request is the wait for its first item.
  const expiresInMs = request.credits === undefined ? request.expiresInMs : undefined;
  if (deadline === undefined) return undefined;
  const byClock = deadline + CLOCK_TOLERANCE_MS;
  return expiresInMs === undefined ? byClock : Math.min(byClock, Date.now() + expiresInMs);
}
