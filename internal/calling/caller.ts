/** Publishes requests and gives each reply to its call. @module */

import type { ReplyQueue, RpcClientStats } from "../../options/client_options.ts";
import { RpcError } from "../../errors.ts";
import type { ConnectionEvent } from "../../options/events.ts";
import type { AmqpDelivery, AmqpPublish } from "../broker/amqp.ts";
import { backoffMs, type BackoffOptions, sleep } from "../time.ts";
import { disconnected, ended, refused, unroutable } from "./call_outcome.ts";
import { checkReplyQueue, type ClientSession, openClientSession } from "./client_session.ts";
import type { ConnectSettings } from "../broker/connect_settings.ts";
import { Connection } from "../broker/connection.ts";
import {
  cancelMessage,
  creditMessage,
  type IncomingItem,
  readCallback,
  readDeadLetterReason,
  readItem,
  requestMessage,
} from "../protocol/envelope.ts";
import type { CallRequest, IncomingReply, PendingCall } from "./pending_call.ts";
import { PendingCalls } from "./pending_calls.ts";
import type { PublishOutcome } from "../broker/publisher.ts";

/** How long a request is published again that a cluster without a leader refuses, in milliseconds. */
const MAX_STRANDED_MS = 3_000;
const STRANDED_PAUSE: BackoffOptions = { firstMs: 200, maxMs: 200, minMs: 20 };

/** What a caller needs of its client. */
export interface CallerOptions extends ConnectSettings {
  readonly maxPending: number;
  readonly replyQueue: ReplyQueue;
  readonly onEvent: (event: ConnectionEvent) => void;
  /** Told why requests will not come back and cannot be cancelled. */
  readonly onNoExchanges: (error: unknown) => void;
  /** Takes a reply for a callback by name whose call was made before this client was started. */
  readonly onEarlierReply: (callback: string, reply: IncomingReply) => boolean;
}

/** The calls of a client, on a connection that heals. */
export class Caller {
  readonly #options: CallerOptions;
  readonly #pendingCalls: PendingCalls;
  #connection: Connection<ClientSession> | undefined;
  #ended: RpcError | undefined;
  /** Calls whose replies are left in the durable queue, for the next start. */
  readonly #released = new Set<string>();
  readonly #closing = new AbortController();
  #sessions = 0;

  private constructor(options: CallerOptions) {
    this.#options = options;
    this.#pendingCalls = new PendingCalls(options.maxPending, {
      start: (call) => this.#publish(call),
      onAbandoned: (call) => this.#cancel(call),
    });
  }

  /** Connects. */
  static async open(options: CallerOptions): Promise<Caller> {
    const caller = new Caller(options);
    const { replyQueue, confirmTimeoutMs, onNoExchanges, onEvent } = options;
    checkReplyQueue(replyQueue);
    caller.#connection = await Connection.open<ClientSession>({
      ...options,
      setUp: (connection) =>
        openClientSession(connection, {
          replyQueue,
          confirmTimeoutMs,
          onNoExchanges,
          onReply: (reply) => caller.#accept(reply),
        }),
      onSession: (session) => caller.#publishAll(session),
      onGiveUp: (error) => caller.#end(error),
      onEvent: (event) => {
        if (event.type === "disconnected") caller.#rejectNonIdempotent(event.error);
        onEvent(event);
      },
    });
    return caller;
  }

  /** Calls that are not settled. */
  get size(): number {
    return this.#pendingCalls.size;
  }

  /** Counts calls and dropped replies. */
  stats(): RpcClientStats {
    return this.#pendingCalls.stats();
  }

  /** Why no call can be started any more, if that is so. */
  get ended(): RpcError | undefined {
    return this.#ended;
  }

  /** Starts a call: its clock at once, its request as soon as there is a place and a connection. */
  start(request: CallRequest): PendingCall {
    return this.#pendingCalls.add(request);
  }

  /** Allows the server of a stream to send so many items more. */
  grant(creditTo: string, correlationId: string, count: number): void {
    const control = this.#connection?.session?.control;
    // If it is lost with its connection, so is the stream, and the next one begins with new credits.
    control?.publish(() => creditMessage(creditTo, correlationId, count)).catch(() => {});
  }

  /** Ends a call that its caller does not want any more. */
  abandon(correlationId: string, reason: RpcError): void {
    this.#pendingCalls.get(correlationId)?.abandon(reason);
  }

  /**
   * Lets go of the calls whose replies will wait in a durable queue for a callback by name.
   *
   * @returns Their correlation ids.
   */
  releaseNamed(): string[] {
    if (typeof this.#options.replyQueue !== "object") return [];
    const calls = this.#pendingCalls.started().filter(({ request }) => request.callback);
    for (const call of calls) {
      this.#released.add(call.request.correlationId);
      call.reject(CLOSED);
    }
    return [...this.#released];
  }

  /** Refuses calls, waits for those under way, and disconnects. */
  async close(graceMs: number): Promise<void> {
    this.#ended ??= CLOSED;
    await this.#pendingCalls.drain(graceMs);
    this.#end(this.#ended);
    await this.#connection?.close();
  }

  #end(reason: RpcError): void {
    this.#ended ??= reason;
    this.#closing.abort();
    this.#pendingCalls.rejectAll((call) => ended(call.report(), reason));
  }

  #publish(call: PendingCall): void {
    const session = this.#connection?.session;
    // Without a session the call waits for the next one: see #publishAll().
    if (session !== undefined) this.#publishOn(session, call);
  }

  #publishOn(session: ClientSession, call: PendingCall): void {
    session.publisher.publish(() => prepare(call, session)).then(
      (outcome) => this.#onPublished(call, outcome),
      (error) => call.reject(error),
    );
  }

  #onPublished(call: PendingCall, outcome: PublishOutcome): void {
    switch (outcome) {
      case "confirmed":
        if (call.phase === "unconfirmed") call.phase = "queued";
        if (call.request.awaits === "confirm") call.resolve(NO_REPLY);
        return;
      case "returned":
        return call.reject(unroutable(call));
      case "refused":
        return call.reject(refused(call));
      case "stranded":
        return void this.#onStranded(call);
      case "unknown":
        return void this.#onUnknown(call);
      case "unsent":
        // The channel is gone; the next session publishes the call again, if it still waits.
        return;
    }
  }

  /** A queue that is full says so. After a lost connection, it may also be without a leader. */
  async #onStranded(call: PendingCall): Promise<void> {
    const session = this.#connection?.session;
    // The next session publishes the call again, if it still waits.
    if (session === undefined) return;
    call.strandedAt ??= performance.now();
    const isOver = performance.now() - call.strandedAt > MAX_STRANDED_MS;
    if (this.#sessions === 1 || isOver) return call.reject(refused(call));
    await this.#publishSoon(session, call);
  }

  /** A session that goes on has only replaced the channel that the request was published on. */
  async #onUnknown(call: PendingCall): Promise<void> {
    const session = this.#connection?.session;
    // The next session publishes the call again, if it still waits.
    if (session === undefined) return;
    if (call.request.idempotent) return await this.#publishSoon(session, call);
    call.reject(
      disconnected(call, new Error("Cannot wait for its confirm as the channel was closed")),
    );
  }

  async #publishSoon(session: ClientSession, call: PendingCall): Promise<void> {
    await sleep(backoffMs(1, STRANDED_PAUSE), this.#closing.signal);
    if (this.#connection?.session === session) this.#publishOn(session, call);
  }

  /** Where the reply queue died with the connection, no reply can arrive: all is published anew. */
  #publishAll(session: ClientSession): void {
    this.#sessions++;
    const isDurable = typeof this.#options.replyQueue === "object";
    for (const call of this.#pendingCalls.started()) {
      if (isDurable && call.phase === "queued") continue;
      this.#publishOn(session, call);
    }
  }

  #rejectNonIdempotent(cause: Error): void {
    for (const call of this.#pendingCalls.started()) {
      if (call.request.idempotent || call.attempts === 0) continue;
      call.reject(disconnected(call, cause));
    }
  }

  /** Tells the servers, unless the request never left. */
  #cancel(call: PendingCall): void {
    if (call.attempts === 0) return;
    const { queue, correlationId } = call.request;
    const control = this.#connection?.session?.control;
    // Best effort: if it is lost, the deadline ends the work.
    control?.publish(() => cancelMessage(queue, correlationId)).catch(() => {});
  }

  #accept(delivery: AmqpDelivery): void {
    const { properties, body } = delivery;
    if (this.#released.has(properties.correlationId ?? "")) return;
    const reply = { properties, body, ack: this.#acknowledger(delivery) };
    const call = this.#pendingCalls.claim(properties.correlationId);
    if (call === "settled") return reply.ack();
    if (call === "unknown") return this.#acceptUnknown(reply);
    const item = readItem(properties);
    if (item !== undefined) return acceptItem(call, item, reply);
    // A request may come back before it is confirmed: all the same, its queue had it.
    call.phase = readDeadLetterReason(properties) === undefined ? "replied" : "queued";
    call.resolve(reply);
    // A callback by name is to run before its reply is gone from a durable queue.
    if (call.request.callback === undefined) reply.ack();
  }

  #acceptUnknown(reply: IncomingReply): void {
    // Only a durable queue can hold a reply of an earlier start; elsewhere it is a stranger's.
    const isDurable = typeof this.#options.replyQueue === "object";
    const callback = isDurable ? readCallback(reply.properties) : undefined;
    if (callback !== undefined && this.#options.onEarlierReply(callback, reply)) return;
    this.#pendingCalls.countUnknown();
    reply.ack();
  }

  /** Only the replies of a durable queue wait for an acknowledgement. */
  #acknowledger(delivery: AmqpDelivery): () => void {
    if (typeof this.#options.replyQueue !== "object") return () => {};
    return () => delivery.ack();
  }
}

/** What comes before the last reply does not settle the call. */
function acceptItem(call: PendingCall, item: IncomingItem, reply: IncomingReply): void {
  call.phase = "running";
  call.request.sink?.accept(item, reply);
  reply.ack();
}

function prepare(call: PendingCall, session: ClientSession): AmqpPublish | undefined {
  if (call.isSettled) return undefined;
  const { request, deadline } = call;
  const isCall = request.awaits === "reply";
  call.phase = "unconfirmed";
  return requestMessage(request, {
    replyTo: isCall ? session.replyTo : undefined,
    deadline: isCall ? deadline : undefined,
    attempt: call.attempts++,
    credits: request.sink?.credits,
    wantsProgress: request.sink?.wantsProgress ?? false,
  });
}

const CLOSED = new RpcError("closed", "Cannot complete the call as the client is closed");

/** What a notification resolves with. */
const NO_REPLY: IncomingReply = { properties: {}, body: new Uint8Array(), ack: () => {} };
