/**
 * The life of a request, from its delivery to its acknowledgement.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import type { EncodedReply, ItemSink } from "../encoded_reply.ts";
import type { ServerInterceptor } from "../../options/interceptors.ts";
import type { RpcServerEvent } from "../../options/events.ts";
import type { RpcServerStats } from "../../options/server_options.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { BodyLimits } from "../broker/body_limits.ts";
import { type ControlMessage, type OutgoingReply, takenMessage } from "../protocol/envelope.ts";
import { isPlainBatch } from "../protocol/batches/plain_batch.ts";
import { isBatch } from "../protocol/message_batch.ts";
import { Parking, type ParkingOptions } from "../protocol/parking.ts";
import { UNDELIVERED } from "../protocol/parked_message.ts";
import { RequestBatches } from "../protocol/request_batches.ts";
import { isDurableReplyQueue } from "../protocol/reply_address.ts";
import { encodeError, readThrown } from "../running/encode.ts";
import { RunTiming } from "../run_timing.ts";
import { callScope } from "../call_scope.ts";
import { type ActiveRequest, ActiveRequests } from "./active_requests.ts";
import { Admission, type AdmissionOptions, outcomeOfDropped, Refusal } from "./admission.ts";
import { CallerPresence } from "./callers/caller_presence.ts";
import { ItemPublisher } from "./item_publisher.ts";
import { PausedStreams } from "./paused_streams.ts";
import { type KnownResult, PlainRequests } from "./batches/plain_requests.ts";
import { Replies } from "./replies.ts";
import { toPrintable } from "../text.ts";
import { isExpired } from "../time.ts";
import { type Outcome, OutcomeCounts, type SettledRequest } from "./outcome_counts.ts";
import { RequestInterception } from "./request_interception.ts";
import type { RequestRunner } from "./request_runner.ts";
import type { ServerSessions } from "./server_sessions.ts";
import { StallWatch } from "./stall_watch.ts";

/** What a {@linkcode RequestService} needs of its server. */
export interface RequestServiceOptions
  extends AdmissionOptions, Pick<ParkingOptions, "durability"> {
  /** Whether the server declares anything at all. */
  readonly declare: boolean;
  readonly runner: RequestRunner;
  /** Around requests; absent if there are none. */
  readonly interceptors: readonly ServerInterceptor[] | undefined;
  /** What a request without a name means, if anything. */
  readonly defaultProcedure: string | undefined;
  /** Of what is published. */
  readonly limits: BodyLimits;
  readonly emit: (event: RpcServerEvent) => void;
  /** Told of each request that was settled. */
  readonly onSettled?: (settled: SettledRequest) => void;
  /** Whether somebody is told how long requests take. */
  readonly isObserved: boolean;
  /** Told of the first request that is refused for its reply queue; its caller waits in vain. */
  readonly warn?: ((error: RpcError) => void) | undefined;
  readonly sessions: ServerSessions;
}

/** So much of the grace is for the reply of a handler that closes its server, in milliseconds. */
const OWN_REPLY_MS = 500;

/** Serves requests: each one is admitted, run, replied to, and acknowledged or parked. */
export class RequestService {
  readonly #options: RequestServiceOptions;
  /** Absent once it was told. */
  #warn: RequestServiceOptions["warn"];
  readonly #active: ActiveRequests;
  readonly #counts: OutcomeCounts;
  #hasToldOfClocks = false;
  readonly #admission: Admission;
  readonly #replies: Replies;
  readonly #parking: Parking;
  readonly #callers: CallerPresence;
  readonly #streams: PausedStreams;
  readonly #stalls: StallWatch;
  readonly #batches: RequestBatches;
  readonly #plain: PlainRequests;

  constructor(options: RequestServiceOptions) {
    const { sessions, limits } = options;
    this.#options = options;
    this.#counts = new OutcomeCounts(options.onSettled);
    this.#warn = options.warn;
    this.#active = new ActiveRequests((active, { code }) => {
      const { runMs } = active;
      options.emit({ type: "abandoned", procedure: this.procedureOf(active), code, runMs });
    });
    this.#admission = new Admission(options);
    this.#callers = new CallerPresence(this.#active, {
      lacksQueue: (queue) => sessions.consumer?.session?.lacksQueue(queue),
      hasMajority: () => sessions.consumer?.session?.hasMajority(),
    });
    this.#replies = new Replies({ sessions, callers: this.#callers, limits });
    const isFull = () => this.#active.running >= this.#prefetch();
    this.#stalls = new StallWatch({ isFull, active: this.#active, emit: options.emit });
    this.#streams = new PausedStreams({
      streams: () => this.#active.streams(),
      isFull,
      isUnattended: (queue) => sessions.consumer?.session?.isUnattended(queue),
    });
    this.#batches = new RequestBatches({
      queue: options.queue,
      replies: this.#replies,
      accept: (request) => this.accept(request),
      places: () => this.#places(),
    });
    this.#plain = this.#openPlain();
    this.#parking = new Parking({
      ...options,
      replies: this.#replies,
      declare: options.declare
        ? async (name, options) => {
          await (await sessions.publisher?.whenOpen())?.declareQueue(name, options);
        }
        : undefined,
    });
  }

  /** Whether no request is in hand. */
  get isIdle(): boolean {
    return this.#active.size === 0 && this.#batches.isEmpty;
  }

  /** Counts requests. */
  stats(): RpcServerStats {
    return this.#counts.stats({ active: this.#active.size, reused: this.#options.runner.reused });
  }

  /** The requests in hand. */
  get requests(): readonly ActiveRequest[] {
    return this.#active.all();
  }

  /** The procedure that a request calls. */
  procedureOf({ request }: ActiveRequest): string | undefined {
    return request.procedure ?? this.#options.defaultProcedure;
  }

  /** Does what a client says of a request. */
  obey(message: ControlMessage): void {
    this.#active.obey(message);
  }

  /** Drops what needs a connection that was lost: no credits can come, and the requests come again. */
  onDisconnected({ message }: Error): void {
    this.#active.dropStreams(new RpcError("disconnected", message));
  }

  /**
   * For a handler that waits for the end of its server: waits for the requests of all others, so that
   * its own can be answered within the grace.
   *
   * @returns `undefined` if no handler asks.
   */
  othersServed(graceMs: number): Promise<void> | undefined {
    const own = callScope.getStore();
    if (own === undefined) return undefined;
    if (own !== this.#options.runner.current && !this.#active.have(own)) return undefined;
    return this.#active.drain(Math.max(graceMs / 2, graceMs - OWN_REPLY_MS), own);
  }

  /** Waits for the requests in hand, at most so long, and leaves the rest to other servers. */
  async close(graceMs: number): Promise<void> {
    this.#parking.close();
    await this.#active.drain(graceMs);
    this.#callers.stop();
    this.#streams.stop();
    this.#stalls.stop();
    this.#active.close(
      new RpcError("closed", "Cannot complete the request as the server is closed"),
    );
  }

  /**
   * Serves a request, or several that share a message, until it is acknowledged. Never rejects.
   *
   * @param known Its reply, or what is to give it, if the request has been run already.
   */
  async accept(delivery: AmqpDelivery, known?: KnownResult): Promise<void> {
    if (isPlainBatch(delivery.properties) && this.#plain.take(delivery)) return;
    if (isBatch(delivery.properties) && this.#batches.take(delivery)) return;
    const active = this.#active.add(delivery);
    const { isObserved, emit } = this.#options;
    if (isObserved || active.request.wantsTiming) active.timing = new RunTiming();
    this.#callers.watch();
    this.#stalls.onStart();
    if (active.credits !== undefined) this.#streams.watch();
    if (active.clockAheadMs !== undefined) this.#tellOfClocks(active.clockAheadMs);
    // No handler runs inside amqplib's callback.
    await undefined;
    try {
      const outcome = await this.#answer(active, known);
      if (outcome === "crashed") delivery.requeue();
      else delivery.ack();
      active.outcome = outcome;
      const procedure = this.procedureOf(active);
      this.#counts.add({ active, procedure, outcome });
      // To put it into words for nobody would cost each request.
      if (isObserved) {
        const meta = this.#options.runner.metaOf(active.request);
        emit({ type: "served", procedure, ...(meta && { meta }), outcome, ...active.report() });
      }
    } catch (error) {
      // What is not acknowledged goes back to the queue with its channel.
      emit({ type: "unserved", error });
    } finally {
      // Before this one has gone: whoever waits until there are none waits for those, too.
      if (!this.#batches.isEmpty) this.#batches.startNext(1);
      this.#active.delete(active);
      this.#stalls.onEnd();
    }
  }

  #openPlain(): PlainRequests {
    const { interceptors, isObserved, runner, emit } = this.#options;
    return new PlainRequests({
      isAlone: interceptors !== undefined || isObserved,
      runner,
      active: this.#active,
      batches: this.#batches,
      replies: this.#replies,
      admits: (request) => this.#admission.admits(request),
      places: () => this.#places(),
      accept: (request, known) => this.accept(request, known),
      onOrphaned: (replyTo) => this.#markOrphaned(replyTo),
      onSettled: (settled) => this.#counts.add(settled),
      onUnserved: (error) => emit({ type: "unserved", error }),
    });
  }

  /** Once: anybody can send a wrong deadline, as often as they like. */
  #tellOfClocks(aheadMs: number): void {
    if (this.#hasToldOfClocks) return;
    this.#hasToldOfClocks = true;
    this.#options.emit({ type: "clocks-differ", aheadMs });
  }

  /** A paused server keeps nobody waiting. */
  #prefetch(): number {
    return this.#options.sessions.consumer?.session?.intake.prefetch || Infinity;
  }

  #places(): number {
    return this.#prefetch() - this.#active.running;
  }

  async #answer(active: ActiveRequest, known: KnownResult | undefined): Promise<Outcome> {
    try {
      const early = isExpired(active.request.deadline) ? "expired" : outcomeOfDropped(active);
      if (early !== undefined) return early;
      const refusal = this.#admission.check(active);
      if (refusal !== undefined) return await this.#refuse(active, refusal);
      if (active.request.wantsTaken) this.#tellTaken(active);
      const items = this.#itemsOf(active);
      const result = known === undefined
        ? await this.#run(active, items?.sink())
        : "result" in known
        ? await this.#options.runner.takeOver(active, known)
        : known;
      const reply = items === undefined ? result : await items.finish(result);
      // An error of a handler that was aborted is no answer.
      const late = outcomeOfDropped(active);
      if (late !== undefined) return late;
      if (reply instanceof RpcError) return await this.#onCrash(active, reply);
      const { stopReason } = active;
      if (stopReason !== undefined) return await this.#reply(active, encodeError(stopReason));
      return await this.#deliver(active, reply);
    } catch (error) {
      if (error instanceof RpcError) throw error;
      // Unforeseen. A request that is never settled takes one place of the prefetch for ever.
      const deliveries = active.delivery.redeliveries + 1;
      return await this.#refuse(active, new Refusal(error, deliveries, "unpublished"));
    }
  }

  /** Runs the request, by way of the interceptors if there are any. */
  #run(active: ActiveRequest, sink?: ItemSink): Promise<EncodedReply | RpcError> {
    const { runner, interceptors } = this.#options;
    if (interceptors === undefined) return runner.run(active, sink);
    const run = () => runner.run(active, sink);
    return new RequestInterception(active, { interceptors, server: this.#options, run }).reply();
  }

  /**
   * Publishes the last reply. The client of a durable reply queue comes back for it: if it cannot be
   * had, the request is parked, so that it can be run again and its reply sent then.
   */
  async #deliver(active: ActiveRequest, reply: OutgoingReply): Promise<Outcome> {
    const outcome = await this.#reply(active, reply);
    const { replyTo = "" } = active.request;
    const isLost = outcome === "orphaned" || outcome === "unpublished";
    if (isLost && isDurableReplyQueue(replyTo)) {
      await this.#park(active, undeliverable(replyTo, active.delivery.redeliveries + 1));
    }
    return outcome;
  }

  /** Publishes the last reply, and waits until the broker has it. */
  async #reply(active: ActiveRequest, reply: OutgoingReply): Promise<Outcome> {
    const { replyTo } = active.request;
    if (reply.type === "error" && this.#options.isObserved) {
      active.error = readThrown(reply, this.procedureOf(active));
    }
    if (replyTo === undefined) return reply.type === "error" ? "error" : "notified";
    const outcome = await this.#replies.send(active, reply);
    if (outcome === "orphaned" && !isDurableReplyQueue(replyTo)) this.#markOrphaned(replyTo);
    return outcome;
  }

  /** Best effort: what is wrong with the caller's queue shows when the reply is published. */
  #tellTaken(active: ActiveRequest): void {
    if (active.request.replyTo === undefined) return;
    this.#replies.publish(takenMessage(active.request), active).catch(() => {});
  }

  /** A request whose worker dies of it is tried again, but not for ever. */
  async #onCrash(active: ActiveRequest, error: RpcError): Promise<Outcome> {
    active.error = error;
    const refusal = this.#admission.onCrash(error, active);
    return refusal === undefined ? "crashed" : await this.#refuse(active, refusal);
  }

  /** No server tries the request again: its caller is told, it is parked, and then acknowledged. */
  async #refuse(active: ActiveRequest, refusal: Refusal): Promise<Outcome> {
    if (refusal.untold === "reply-to-refused") {
      this.#warn?.(refusal.error);
      this.#warn = undefined;
    }
    const [outcome] = await Promise.all([
      refusal.untold ?? this.#reply(active, encodeError(refusal.error)),
      this.#park(active, refusal),
    ]);
    return outcome;
  }

  async #park(active: ActiveRequest, refusal: Refusal): Promise<void> {
    const { emit } = this.#options;
    const procedure = this.procedureOf(active);
    const { code } = refusal.error;
    try {
      const id = await this.#parking.park(active.delivery, refusal, (error) => {
        emit({ type: "parking-delayed", procedure, code, error });
        return true;
      });
      this.#counts.parked++;
      emit({ type: "parked", procedure, code, id });
    } catch (error) {
      // The request is still in its queue if the server was closed meanwhile.
      if (error instanceof RpcError && error.code === "closed") throw error;
      if (error instanceof RpcError && error.retryable) {
        active.delivery.giveBack();
        throw error;
      }
      emit({ type: "not-parked", procedure, code, error });
    }
  }

  /** For a caller that wants to be told of a request before its end. */
  #itemsOf(active: ActiveRequest): ItemPublisher | undefined {
    const { replyTo, credits, wantsProgress } = active.request;
    if (replyTo === undefined || (credits === undefined && !wantsProgress)) return undefined;
    return new ItemPublisher(active, {
      replies: this.#replies,
      creditTo: this.#options.sessions.consumer?.session?.controlQueue,
      onOrphaned: () => this.#markOrphaned(replyTo),
    });
  }

  #markOrphaned(replyTo: string): void {
    this.#active.markOrphaned(replyTo, { mayReturn: this.#callers.mayReturn(replyTo) });
  }
}

function undeliverable(replyTo: string, deliveries: number): Refusal {
  const queue = toPrintable(replyTo);
  const message = `Cannot reply to the request as reply queue "${queue}" cannot be had`;
  return new Refusal(new RpcError(UNDELIVERED, message), deliveries);
}
