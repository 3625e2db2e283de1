/** The calls of a client: publishes their requests and gives each reply to its call. @module */

import type { RpcError } from "../../errors.ts";
import { withOpenerStack } from "../caller_stack.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { readMaxBodyBytes } from "../broker/amqp_error.ts";
import { BodyLimits } from "../broker/body_limits.ts";
import { Connection } from "../broker/connection.ts";
import type { PublishOutcome } from "../broker/publisher.ts";
import { readDeadLetterReason } from "../protocol/dead_letter.ts";
import { cancelMessage, creditMessage, readCallback, readItem } from "../protocol/envelope.ts";
import { isLaterKind } from "../protocol/later_kind.ts";
import { isProbe, probeMessage } from "../protocol/reply_address.ts";
import { backoffMs, type BackoffOptions, sleep } from "../time.ts";
import {
  CLOSED,
  disconnected,
  ended,
  queueFull,
  tooLarge,
  unroutable,
  unsendable,
  vanished,
} from "./call_errors.ts";
import { type BatchTakers, CallBatches } from "./call_batches.ts";
import type { CallRequest } from "./call_request.ts";
import type { Callbacks } from "./callbacks.ts";
import { type ClientSession, messageOf, openClientSession } from "./client_session.ts";
import { TimeoutReasons } from "./timeouts/timeout_reasons.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { ReplyReader } from "./reply_reader.ts";
import { endUnlessTaken, type ImmediateCallPath } from "./immediate_call.ts";
import { PendingCall, PendingCalls } from "./pending_calls.ts";
import { PlainCalls } from "./plain_calls.ts";
import { type ReplyPath, ReplyWatch } from "./reply_watch.ts";
import { UnclaimedReplies } from "./unclaimed_replies.ts";

/** How long a request is published again that a cluster without a leader refuses, in milliseconds. */
const MAX_STRANDED_MS = 3_000;
const STRANDED_PAUSE: BackoffOptions = { firstMs: 200, maxMs: 200, minMs: 20 };

/** The calls of a client, on a connection that heals. */
export class ClientCalls {
  /** Those that are not settled. */
  readonly pending: PendingCalls;
  readonly #settings: ClientSettings;
  readonly #callbacks: Callbacks;
  /** Whether replies wait for a client that is away, and for their acknowledgement. */
  readonly #isDurable: boolean;
  readonly #limits: BodyLimits;
  /** Absent unless calls may share messages. */
  readonly #batches: CallBatches | undefined;
  /** Absent unless calls may share messages, and nothing is to be done for each of them. */
  readonly plain: PlainCalls | undefined;
  #connection: Connection<ClientSession> | undefined;
  /** Why no call can be started any more. */
  #ended: RpcError | undefined;
  /** Calls whose replies are left in the durable queue, for the next start. */
  readonly #released = new Set<string>();
  readonly #closing = new AbortController();
  readonly #takers: BatchTakers = {
    accept: (reply) => this.#acceptOne(reply),
    publish: (call) => this.#publish(call),
  };
  readonly #path: ImmediateCallPath = {
    countWaiting: (queue) => this.#connection?.session?.countWaiting(queue),
    signal: this.#closing.signal,
  };
  /** Absent where there is no queue to watch: what direct replies go through lives with its channel. */
  readonly #replyWatch: ReplyWatch | undefined;
  readonly #unclaimed: UnclaimedReplies;
  #sessions = 0;
  readonly #reasons = new TimeoutReasons(() => this.#connection?.session);

  /**
   * Makes what has no connection yet.
   *
   * @param settings The client's.
   * @param callbacks Take the replies to calls of an earlier start.
   * @param reader Reads the replies to calls that share messages.
   */
  constructor(settings: ClientSettings, callbacks: Callbacks, reader: ReplyReader) {
    const { maxBodyBytes, replyQueue } = settings;
    this.#settings = settings;
    this.#callbacks = callbacks;
    this.#isDurable = typeof replyQueue === "object";
    this.#limits = new BodyLimits(maxBodyBytes);
    if (settings.batching !== undefined) this.#batches = new CallBatches(settings.batching);
    this.pending = new PendingCalls({
      ...settings,
      onPlace: (call) => this.#publish(call),
      onAbandoned: (call) => this.#cancel(call),
      onOutcome: settings.isObserved ? settings.onEvent : undefined,
      reasons: settings.explainTimeouts ? this.#reasons : undefined,
    });
    if (this.#batches !== undefined) this.plain = this.#openPlain(this.#batches, reader);
    if (replyQueue !== "direct") {
      const isWaiting = () => this.pending.size > 0;
      this.#replyWatch = new ReplyWatch({ isWaiting, replyPath: () => this.#replyPath() });
    }
    this.#unclaimed = new UnclaimedReplies(settings, {
      limits: this.#limits,
      session: () => this.#connection?.session ?? this.#connection?.whenOpen(),
      signal: this.#closing.signal,
    });
  }

  #openPlain(batches: CallBatches, reader: ReplyReader): PlainCalls | undefined {
    return PlainCalls.of(this.#settings, {
      batches,
      reader,
      pending: this.pending,
      isOpen: () => this.#ended === undefined,
      // Those that were started before the end are sent all the same.
      session: () => this.#connection?.session,
      ...this.#takers,
      onPublished: (call, outcome) => this.#onPublished(call, outcome),
      onSent: () => this.#replyWatch?.start(),
    });
  }

  /** Connects; calls can be started from then on. */
  async open(): Promise<void> {
    const { confirmTimeoutMs, onEvent } = this.#settings;
    const opening = Connection.open<ClientSession>({
      ...this.#settings,
      setUp: (connection, broker) =>
        openClientSession(connection, {
          ...this.#settings,
          publishing: { confirmTimeoutMs, limits: this.#limits },
          onNoExchanges: (error) => onEvent({ type: "returns-unavailable", error }),
          onUnreplicated: (queue) => onEvent({ type: "reply-queue-unreplicated", queue }),
          isFirst: this.#sessions === 0,
          onReply: (reply) => this.#reasons.accept(reply) || this.#accept(reply),
          broker,
        }),
      onSession: (session) => this.#publishAll(session),
      onEvent: (event) => {
        if (event.type === "disconnected") this.#onDisconnected(event.error);
        if (event.type === "failed") this.#end(event.error);
        onEvent(event);
      },
    });
    try {
      this.#connection = await opening;
    } catch (error) {
      throw withOpenerStack(error);
    }
  }

  /**
   * Starts a call: its clock at once, its request as soon as there is a place and a connection.
   *
   * @throws {RpcError} If the client is closed, or its connection for good.
   */
  start(request: CallRequest): PendingCall {
    this.throwIfEnded(request.procedure);
    const call = new PendingCall(request, this.pending);
    if (this.pending.add(call)) this.#publish(call);
    this.#replyWatch?.start();
    if (request.immediate && request.kind !== "notify") void endUnlessTaken(call, this.#path);
    return call;
  }

  /**
   * Checks that calls can be started.
   *
   * @throws {RpcError} If the client is closed, or its connection for good.
   */
  throwIfEnded(procedure: string): void {
    if (this.#ended === undefined) return;
    const { queue } = this.#settings;
    throw ended({ procedure, queue, elapsedMs: 0, phase: "not-published" }, this.#ended);
  }

  /** Allows the server of a stream to send so many items more. */
  grant(creditTo: string, correlationId: string, count: number): void {
    const credits = this.#connection?.session?.credits;
    // If it is lost with its connection, so is the stream, and the next one begins with new credits.
    credits?.publish(() => creditMessage(creditTo, correlationId, count)).catch(() => {});
  }

  /**
   * Ends a call whose reply will wait in a durable queue for a callback by name. One that the broker
   * does not have yet is waited for, as nobody would ever reply to it.
   */
  #release(call: PendingCall): void {
    const { callback, correlationId } = call.request;
    const isSafe = call.phase === "queued" || call.phase === "running";
    if (!this.#isDurable || callback === undefined || !isSafe) return;
    this.#released.add(correlationId);
    this.#callbacks.remove(correlationId);
    call.reject(CLOSED);
  }

  /** Settles a reply whose callback by name is not registered. Never rejects. */
  leave(name: string, reply: AmqpDelivery): Promise<void> {
    return this.#unclaimed.leave(name, reply);
  }

  /** Refuses calls, ends streams, waits for the calls under way, and disconnects. */
  async close(graceMs: number): Promise<void> {
    const reason = this.#ended ??= CLOSED;
    for (const call of this.pending.started()) this.#release(call);
    this.pending.abandonStreams((call) => ended(call.report(), reason));
    this.plain?.flush();
    this.#batches?.flush();
    await this.pending.drain(graceMs);
    this.#end(reason);
    await this.#connection?.close();
  }

  #end(reason: RpcError): void {
    this.#ended ??= reason;
    this.#closing.abort();
    this.#unclaimed.close();
    this.#replyWatch?.stop();
    this.plain?.close();
    this.#batches?.close();
    this.pending.rejectAll((call) => ended(call.report(), reason));
  }

  #publish(call: PendingCall, session = this.#connection?.session): void {
    // Without a session the call waits for the next one: see #publishAll().
    if (session === undefined) return;
    const { queue } = call.request;
    if (session.routeTo(queue) === undefined) return this.#publishFound(call, session);
    const prepare = () => messageOf(call, session);
    const settle = (outcome: PublishOutcome) => this.#onPublished(call, outcome);
    const fail = (error: unknown) => call.reject(unsendable(call.report(), error));
    if (this.#batches?.add({ call, prepare, settle, fail })) return;
    session.publisher.submit(prepare, settle, fail);
  }

  /** The first call to a queue waits until it is known how to reach that. */
  #publishFound(call: PendingCall, session: ClientSession): void {
    // If it fails, the session has ended: the next one publishes the call.
    session.findRoute(call.request.queue).then(() => this.#publishOn(call, session), () => {});
  }

  #onPublished(call: PendingCall, outcome: PublishOutcome): void {
    switch (outcome) {
      case "confirmed":
        call.onConfirmed();
        if (call.request.kind === "notify") call.resolve(undefined);
        else if (this.#ended !== undefined) this.#release(call);
        return;
      case "returned":
        return this.#onReturned(call);
      case "nacked":
        return call.reject(queueFull(call.report()));
      case "stranded":
        return this.#onStranded(call);
      case "too-large":
        return call.reject(tooLarge(call.report(), call.request.body, this.#limits));
      case "suspect":
      case "unknown":
        return this.#onUnknown(call);
      case "unsent":
        // The channel is gone; the next session publishes the call again, if it still waits.
        return;
    }
  }

  /** Its queue may be there all the same, and nobody has bound it to the exchange of its name. */
  #onReturned(call: PendingCall): void {
    if (call.exchange === undefined) return call.reject(unroutable(call.report()));
    this.#connection?.session?.onUnbound(call.request.queue);
    this.#publish(call);
  }

  /** A queue that is full says so. After a lost connection, it may also be without a leader. */
  #onStranded(call: PendingCall): void {
    const session = this.#connection?.session;
    // The next session publishes the call again, if it still waits.
    if (session === undefined) return;
    call.strandedAt ??= performance.now();
    const isOver = performance.now() - call.strandedAt > MAX_STRANDED_MS;
    if (this.#sessions === 1 || isOver) return call.reject(queueFull(call.report()));
    this.#publishSoon(call, session);
  }

  /** A session that goes on has only replaced the channel that the request was published on. */
  #onUnknown(call: PendingCall): void {
    const session = this.#connection?.session;
    // The next session publishes the call again, if it still waits.
    if (session === undefined) return;
    if (call.request.idempotent) return this.#publishSoon(call, session);
    const cause = new Error("Cannot wait for its confirm as the channel was closed");
    call.reject(disconnected(call.report(), cause));
  }

  #publishSoon(call: PendingCall, session: ClientSession): void {
    // sleep() never rejects.
    void sleep(backoffMs(1, STRANDED_PAUSE), this.#closing.signal).then(() => {
      this.#publishOn(call, session);
    });
  }

  /** Unless there is another session now, which publishes the call itself. */
  #publishOn(call: PendingCall, session: ClientSession): void {
    if (this.#connection?.session === session) this.#publish(call, session);
  }

  /** Where the reply queue died with the connection, no reply can arrive: all is published anew. */
  #publishAll(session: ClientSession): void {
    this.#sessions++;
    this.#batches?.open(session.publisher);
    this.plain?.handOver();
    for (const call of this.pending.started()) {
      if (this.#isDurable && call.phase === "queued") continue;
      this.#publish(call, session);
    }
  }

  #onDisconnected(cause: Error): void {
    // Of direct replies, a request that is too large ends the session.
    if (readMaxBodyBytes(cause) === undefined) this.#limits.forget();
    for (const call of this.pending.started()) {
      if (call.request.idempotent || call.attempts === 0) continue;
      call.reject(disconnected(call.report(), cause));
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

  #replyPath(): ReplyPath | undefined {
    const session = this.#connection?.session;
    return session && {
      probe: () => session.publisher.publish(() => probeMessage(session.replyTo)),
      renew: () => session.destroy(vanished(session.replyTo)),
    };
  }

  #accept(reply: AmqpDelivery): void {
    this.#replyWatch?.onReply();
    if (this.plain?.accept(reply)) return;
    if (!this.#batches?.accept(reply, this.#takers)) this.#acceptOne(reply);
  }

  #acceptOne(reply: AmqpDelivery): void {
    const { properties } = reply;
    if (this.plain?.acceptOne(reply)) return;
    if (this.#released.has(properties.correlationId ?? "")) return;
    const call = isLaterKind(properties) ? "settled" : this.pending.claim(properties.correlationId);
    if (call === "settled") return reply.ack();
    if (call === "unknown") return this.#acceptUnknown(reply);
    const item = readItem(properties);
    if (item !== undefined) return call.accept(item, reply);
    this.#batches?.note(call, properties);
    // A request may come back before it is confirmed: all the same, its queue had it.
    call.phase = readDeadLetterReason(properties) === undefined ? "replied" : "queued";
    call.resolve(reply);
    // A callback by name is to run before its reply is gone from a durable queue.
    if (call.request.callback === undefined) reply.ack();
  }

  #acceptUnknown(reply: AmqpDelivery): void {
    if (isProbe(reply.properties)) return reply.ack();
    // Only a durable queue can hold a reply to a call of an earlier start.
    const ticket = this.#isDurable ? readCallback(reply.properties) : undefined;
    if (ticket !== undefined && this.#callbacks.acceptEarlier(ticket, reply)) return;
    this.pending.countUnknown();
    reply.ack();
  }
}
