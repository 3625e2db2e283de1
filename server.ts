/**
 * The serving side: procedures that are called through a RabbitMQ queue.
 *
 * @module
 */

import type { BrokerUrl } from "./options/connect_options.ts";
import type { Contract, Handler } from "./contract.ts";
import { RpcError } from "./errors.ts";
import type { ConnectionEvent, RpcServerEvent } from "./options/events.ts";
import { type ActiveRequest, ActiveRequests } from "./internal/serving/active_requests.ts";
import { Admission } from "./internal/serving/admission.ts";
import type { AmqpDelivery } from "./internal/broker/amqp.ts";
import { DEFAULT_MAX_BODY_BYTES } from "./internal/body_size.ts";
import { CallerWatch } from "./internal/serving/caller_watch.ts";
import { checkInteger, checkName } from "./internal/check.ts";
import { resolveConnectOptions } from "./internal/broker/connect_settings.ts";
import { Connection } from "./internal/broker/connection.ts";
import { DeliveryLimit } from "./internal/serving/delivery_limit.ts";
import { safeObserver } from "./internal/emit.ts";
import { type IncomingRequest, readRequest } from "./internal/protocol/envelope.ts";
import { GivenUp } from "./internal/serving/given_up.ts";
import { ItemPublisher } from "./internal/serving/item_publisher.ts";
import { Parking } from "./internal/serving/parking.ts";
import { ReplyPublisher } from "./internal/serving/reply_publisher.ts";
import { type Outcome, ServerCounts } from "./internal/serving/server_counts.ts";
import { type FinalReply, publishFinalReply } from "./internal/serving/final_reply.ts";
import { encodeError } from "./internal/running/encode_reply.ts";
import { Prefetch } from "./internal/serving/prefetch.ts";
import { Procedures } from "./internal/serving/procedures.ts";
import { ReplyCache } from "./internal/serving/reply_cache.ts";
import { isExpired } from "./internal/serving/request_context.ts";
import { RequestRunner } from "./internal/serving/request_runner.ts";
import {
  type ConsumerSession,
  openConsumerSession,
  openPublisherSession,
  type PublisherSession,
} from "./internal/serving/server_sessions.ts";
import { checkDurability } from "./internal/protocol/topology.ts";
import type {
  RpcServerCloseOptions,
  RpcServerOptions,
  RpcServerStats,
} from "./options/server_options.ts";

/**
 * Serves procedures from one queue.
 *
 * - A request is acknowledged after the broker has confirmed its reply: if this server dies,
 *   another one does the work.
 * - Whatever a handler throws is a reply, never a redelivery.
 * - Lost connections are healed; finished work is replied to afterwards.
 *
 * @example A server
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 *
 * await using server = await RpcServer.listen("amqp://127.0.0.1", {
 *   queue: "greetings",
 *   handlers: { greet: (name: string) => `Hello, ${name}` },
 * });
 * ```
 */
export class RpcServer implements AsyncDisposable {
  readonly #runner: RequestRunner;
  readonly #defaultProcedure: string | undefined;
  readonly #replies = new ReplyPublisher(() => this.#publisher);
  readonly #emit: (event: RpcServerEvent) => void;
  readonly #active = new ActiveRequests();
  readonly #counts = new ServerCounts();
  readonly #admission: Admission;
  readonly #deliveryLimit: DeliveryLimit;
  readonly #parking: Parking;
  readonly #prefetch: Prefetch;
  readonly #watch = new CallerWatch(this.#active, () => this.#consumer?.session);
  #consumer: Connection<ConsumerSession> | undefined;
  #publisher: Connection<PublisherSession> | undefined;
  #abandoned: RpcError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: RpcServerOptions) {
    const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, maxDeliveries = 3 } = options;
    const { replyCache = {}, sendStacks = false, queue, replyQueues, durability } = options;
    checkInteger("listen", "maxBodyBytes", maxBodyBytes, { min: 1 });
    checkInteger("listen", "maxDeliveries", maxDeliveries, { min: 1 });
    const deliveryLimit = new DeliveryLimit(maxDeliveries);
    this.#deliveryLimit = deliveryLimit;
    this.#admission = new Admission({ queue, replyQueues, deliveryLimit });
    this.#parking = new Parking({
      queue,
      durability: durability ?? "replicated",
      publisher: this.#replies,
      declare: async (name, options) => {
        await (await this.#publisher?.whenOpen())?.declareQueue(name, options);
      },
    });
    const { handlers, defaultProcedure, codecs } = options;
    const procedures = new Procedures(handlers, defaultProcedure, codecs);
    this.#defaultProcedure = procedures.defaultName;
    this.#prefetch = new Prefetch(procedures.handlers(), options.prefetch);
    this.#runner = new RequestRunner({
      procedures,
      maxBodyBytes,
      cache: replyCache === false ? undefined : new ReplyCache(replyCache),
      includeStack: sendStacks,
    });
    this.#emit = safeObserver(options.onEvent);
  }

  /**
   * Connects, declares the request queue and starts to serve it.
   *
   * @typeParam C The contract that the handlers must fulfil.
   * @param url The broker's URL, or the URLs of a cluster's nodes.
   * @param options The queue, the handlers and limits.
   * @returns A server that serves until it is closed.
   * @throws {TypeError} If the URL, a name or a handler cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; the message names the
   * broker or the queue and the next step.
   */
  static async listen<C extends Contract = Record<string, Handler>>(
    url: BrokerUrl,
    options: RpcServerOptions<C>,
  ): Promise<RpcServer> {
    const { queue, durability = "replicated", returns = true } = options;
    checkName("listen", "queue", queue);
    checkDurability(durability);
    const settings = resolveConnectOptions(url, options);
    // The handlers' types matter to the caller's compiler only.
    const server = new RpcServer(options as RpcServerOptions);
    await using stack = new AsyncDisposableStack();
    server.#publisher = await Connection.open<PublisherSession>({
      ...settings,
      ...server.#observe("publisher"),
      setUp: (connection) => openPublisherSession(connection, settings.confirmTimeoutMs),
    });
    stack.defer(() => server.#publisher?.close());
    server.#consumer = await Connection.open<ConsumerSession>({
      ...settings,
      ...server.#observe("consumer"),
      setUp: (connection) =>
        openConsumerSession(connection, {
          queue,
          durability,
          returns,
          prefetch: () => server.#prefetch.count,
          onDelivery: (delivery) => server.#accept(delivery),
          onControl: (message) => server.#active.obey(message),
          isIdle: () => server.#active.size === 0,
          onNoReturns: (reason) => server.#emit({ type: "returns-unavailable", error: reason }),
          onCancelled: () => server.#emit({ type: "consumer-cancelled" }),
        }),
    });
    server.#prefetch.watch(() => server.#consumer?.session?.intake.adjust());
    stack.move();
    return server;
  }

  /** Counts requests. */
  stats(): RpcServerStats {
    return this.#counts.stats({ active: this.#active.size, reused: this.#runner.reused });
  }

  /**
   * Takes no further requests, serves those in hand, and disconnects. May be called again.
   *
   * @param options How long to wait.
   * @returns When everything in hand is settled and the connections are closed.
   */
  close(options: RpcServerCloseOptions = {}): Promise<void> {
    return this.#closing ??= this.#close(options);
  }

  /** Closes the server with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close({ graceMs = 30_000 }: RpcServerCloseOptions): Promise<void> {
    // Should the session end from now on, its requests are other servers' already.
    this.#consumer?.retire();
    try {
      this.#prefetch.unwatch();
      await this.#consumer?.session?.intake.stop();
    } catch {
      // The session has just ended, and there will be no other.
    }
    await this.#active.drain(graceMs);
    this.#watch.stop();
    const reason = new RpcError("closed", "Cannot complete the request as the server is closed");
    this.#abandoned = reason;
    this.#active.dropAll(reason);
    // What is not acknowledged now goes back to the queue with its channel.
    await this.#consumer?.close();
    await this.#publisher?.close();
  }

  #observe(connection: "consumer" | "publisher") {
    return {
      onSession: () => {},
      // Half a server is none: its requests must go to others. close() never rejects.
      onGiveUp: () => void this.close({ graceMs: 0 }),
      onEvent: (event: ConnectionEvent) => {
        if (connection === "consumer" && event.type === "disconnected") {
          this.#active.dropStreams(new RpcError("disconnected", event.error.message));
        }
        this.#emit({ ...event, connection });
      },
    };
  }

  /** Runs inside amqplib's callback, so it only starts what never throws. */
  #accept(delivery: AmqpDelivery): void {
    const active = this.#active.add(readRequest(delivery.properties));
    this.#watch.start();
    this.#serve(active, delivery)
      .then((outcome) => this.#count(active.request, outcome))
      .catch((error) => this.#emit({ type: "unserved", error }))
      .finally(() => this.#active.delete(active));
  }

  async #serve(active: ActiveRequest, delivery: AmqpDelivery): Promise<Outcome> {
    // No handler runs inside amqplib's callback.
    await Promise.resolve();
    const outcome = await this.#conclude(active, delivery);
    if (outcome === "crashed") delivery.requeue();
    else delivery.ack();
    return outcome;
  }

  /** A request that is never settled takes one place of the prefetch for ever. */
  async #conclude(active: ActiveRequest, delivery: AmqpDelivery): Promise<Outcome> {
    try {
      return await this.#answer(active, delivery);
    } catch (error) {
      // This server is being closed, or its connections are: the request is another one's.
      if (error instanceof RpcError) throw error;
      const deliveries = delivery.redeliveries + 1;
      const reason = new GivenUp(error, { deliveries, mayReply: false });
      return await this.#giveUp(active, delivery, reason);
    }
  }

  async #answer(active: ActiveRequest, delivery: AmqpDelivery): Promise<Outcome> {
    const { request } = active;
    if (this.#abandoned !== undefined) throw this.#abandoned;
    if (isExpired(request)) return "expired";
    if (active.unwantedAs !== undefined) return active.unwantedAs;
    const reply = this.#admission.check(request, delivery) ?? await this.#run(active, delivery);
    // Another server runs the request anew; an error of a handler that was aborted is no answer.
    if (this.#abandoned !== undefined) throw this.#abandoned;
    if (active.unwantedAs !== undefined) return active.unwantedAs;
    if (reply === "crashed") return reply;
    if (reply instanceof GivenUp) return await this.#giveUp(active, delivery, reply);
    return await this.#reply(active, reply);
  }

  async #reply(active: ActiveRequest, reply: FinalReply): Promise<Outcome> {
    const { replyTo } = active.request;
    if (replyTo === undefined) return reply.type === "error" ? "error" : "notified";
    const isStillWanted = () => active.isWanted;
    const outcome = await publishFinalReply(this.#replies, active.request, reply, isStillWanted);
    if (outcome === "gone") this.#active.markGone(replyTo);
    return outcome === "gone" || outcome === "refused" ? "orphaned" : outcome;
  }

  /** Nobody will try the request again: its caller is told, it is kept, and only then acknowledged. */
  async #giveUp(active: ActiveRequest, delivery: AmqpDelivery, reason: GivenUp): Promise<Outcome> {
    const [outcome] = await Promise.all([
      reason.mayReply ? this.#reply(active, encodeError(reason.error)) : "refused" as const,
      this.#park(active, delivery, reason),
    ]);
    return outcome;
  }

  async #park(active: ActiveRequest, delivery: AmqpDelivery, reason: GivenUp): Promise<void> {
    const { procedure = this.#defaultProcedure } = active.request;
    const { code } = reason.error;
    try {
      const id = await this.#parking.park(delivery, reason);
      this.#counts.parked++;
      this.#emit({ type: "parked", procedure, code, id });
    } catch (error) {
      // The request is still in its queue if the server was closed meanwhile.
      if (error instanceof RpcError && error.code === "closed") throw error;
      if (error instanceof RpcError && error.retryable) {
        delivery.requeue();
        throw error;
      }
      this.#emit({ type: "not-parked", procedure, code, error });
    }
  }

  /** A request whose worker dies of it is tried again, but not for ever. */
  async #run(
    active: ActiveRequest,
    delivery: AmqpDelivery,
  ): Promise<FinalReply | GivenUp | "crashed"> {
    const items = this.#items(active);
    try {
      const reply = await this.#runner.run(active, delivery, items?.sink());
      return await items?.finish(reply) ?? reply;
    } catch (error) {
      return this.#deliveryLimit.onFailure(error, active.request, delivery) ?? "crashed";
    }
  }

  /** For a caller that wants to hear of a request before its end. */
  #items(active: ActiveRequest): ItemPublisher | undefined {
    const { request } = active;
    const { replyTo, credits, wantsProgress } = request;
    if (replyTo === undefined || (credits === undefined && !wantsProgress)) return undefined;
    return new ItemPublisher(request, replyTo, {
      publisher: this.#replies,
      creditTo: this.#consumer?.session?.controlQueue,
      grant: () => active.onCredit(1),
      isWanted: () => active.isWanted,
      onGone: () => this.#active.markGone(replyTo),
    });
  }

  #count({ procedure }: IncomingRequest, outcome: Outcome): void {
    this.#counts.add(outcome);
    this.#emit({ type: "served", procedure: procedure ?? this.#defaultProcedure, outcome });
  }
}
