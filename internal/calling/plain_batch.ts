/** Plain calls that share a message. @module */

import { jsonCodec } from "../../codec.ts";
import type { AmqpPublish } from "../broker/amqp.ts";
import { encodePlainRequests, partId, type PlainRequest } from "../protocol/batches/plain_batch.ts";
import { requestMessage, type RequestRoute } from "../protocol/envelope.ts";
import { newId } from "../text.ts";
import type { CallRequest } from "./call_request.ts";
import type { ClientSession } from "./client_session.ts";
import type { ClientSettings } from "./client_settings.ts";
import { PendingCall, type PendingCalls } from "./pending_calls.ts";

/** A call; one that was handed over is another's. */
export interface PlainCall extends PlainRequest {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (outcome: unknown) => void;
  /** Absent until it is handed over, and for one that has its outcome. */
  taken: PendingCall | undefined;
  isOpen: boolean;
}

/** So long before its time is over, a batch is handed over: it is asked then where the requests are. */
const HAND_OVER_MS = 100;

/** Calls that share a message. */
export class PlainBatch {
  /** What the ids of its calls begin with. */
  readonly id: string = newId();
  readonly calls: PlainCall[] = [];
  /** Of its first call. */
  readonly timeoutMs: number;
  shortestMs: number;
  /** When it was begun, by `performance.now()`, and in Unix milliseconds. */
  readonly openedAt: number = performance.now();
  readonly openedOn: number = Date.now();
  readonly #signals = new Map<AbortSignal, () => void>();
  /** Sends it, if it is to wait for longer than its turn. */
  delay: ReturnType<typeof setTimeout> | undefined;
  /** Of the bodies. */
  size = 0;
  /** How many of its calls are its own. */
  left = 0;
  sent: { readonly exchange: string | undefined; readonly at: number } | undefined;
  confirmedAt: number | undefined;

  readonly #queue: string;

  constructor(queue: string, timeoutMs: number) {
    this.#queue = queue;
    this.timeoutMs = this.shortestMs = timeoutMs;
  }

  /** When its calls are to be handed over, by `performance.now()`. */
  get handOverAt(): number {
    return this.openedAt + Math.max(0, this.shortestMs - HAND_OVER_MS);
  }

  /** Tells of the calls that a signal ends: one listener for all that have the same. */
  listen(signal: AbortSignal, onAborted: (call: PlainCall) => void): void {
    if (this.#signals.has(signal)) return;
    const abort = () => {
      for (const call of this.calls) {
        if (call.signal === signal && call.isOpen) onAborted(call);
      }
    };
    this.#signals.set(signal, abort);
    signal.addEventListener("abort", abort);
  }

  /** Ends {@linkcode PlainBatch.listen}, and the wait for more calls. */
  end(): void {
    clearTimeout(this.delay);
    for (const [signal, abort] of this.#signals) signal.removeEventListener("abort", abort);
  }

  /** Called at the last moment before the message is sent. */
  prepare(route: RequestRoute, { broker }: Pick<ClientSession, "broker">): AmqpPublish | undefined {
    const calls = this.calls.filter(({ isOpen, taken }) => isOpen || taken?.isSettled === false);
    const [first] = calls;
    if (first === undefined) return undefined;
    const { exchange } = route;
    this.sent = { exchange, at: performance.now() };
    for (const { taken } of calls) {
      if (taken === undefined) continue;
      taken.onPublish(exchange, broker);
      taken.attempts++;
    }
    const deadline = calls.reduce((least, call) => Math.min(least, call.deadline), Infinity);
    const request = { ...this.requestOf(first), correlationId: this.id, deadline };
    return encodePlainRequests(this.id, requestMessage(request, 0, route), calls);
  }

  /** The request of a call, as if it were to go alone. */
  requestOf(call: PlainCall): CallRequest {
    const { index, procedure, body, deadline, timeoutMs, signal } = call;
    return {
      kind: "call",
      // The moments of a turn are told apart by the other clock.
      calledAt: this.openedAt + deadline - timeoutMs - this.openedOn,
      queue: this.#queue,
      procedure,
      body,
      contentType: jsonCodec.contentType,
      correlationId: partId(this.id, index),
      timeoutMs,
      deadline,
      signals: signal === undefined ? [] : [signal],
      immediate: false,
      idempotent: true,
      priority: undefined,
      idempotencyKey: undefined,
      caller: undefined,
      callback: undefined,
      sink: undefined,
      idleTimeoutMs: undefined,
      credits: undefined,
      wantsProgress: false,
      headers: undefined,
      wantsTiming: false,
      onReply: undefined,
      onStep: undefined,
      takesBatches: true,
    };
  }

  /** Makes a call of one that is to be as any other. */
  toPending(call: PlainCall, pending: PendingCalls): PendingCall {
    const request = this.requestOf(call);
    const taken = new PendingCall(request, pending, request.calledAt);
    if (this.sent !== undefined) {
      taken.attempts = 1;
      taken.exchange = this.sent.exchange;
      taken.publishedAt = this.sent.at;
      taken.confirmedAt = this.confirmedAt;
      taken.phase = this.confirmedAt === undefined ? "unconfirmed" : "queued";
    }
    return taken;
  }
}

/** Whether a client does something for each of its calls. */
export function hasNoPlainCalls(settings: ClientSettings): boolean {
  const { interceptors, isObserved, forwardHeaders, codecs, replyQueue } = settings;
  const { inputs, outputs } = settings;
  return settings.route !== undefined || interceptors !== undefined ||
    forwardHeaders !== undefined || isObserved ||
    codecs.length > 0 || hasMembers(inputs) || hasMembers(outputs) ||
    typeof replyQueue === "object";
}

function hasMembers(table: object): boolean {
  return Object.keys(table).length > 0;
}
