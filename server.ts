/**
 * The serving side: procedures that are called through a RabbitMQ queue.
 *
 * @module
 */

import type { BrokerUrl, ConnectOptions } from "./connecting.ts";
import type { Contract, EncodedReply, Handler, Handlers } from "./contract.ts";
import { RpcError } from "./errors.ts";
import type { ConnectionEvent, RpcServerEvent } from "./events.ts";
import type { AmqpDelivery } from "./internal/amqp.ts";
import { checkBodySize, DEFAULT_MAX_BODY_BYTES } from "./internal/body_size.ts";
import { checkInteger, checkName } from "./internal/check.ts";
import { resolveConnectOptions } from "./internal/connect_settings.ts";
import { Connection } from "./internal/connection.ts";
import { Delivery } from "./internal/delivery.ts";
import { safeObserver } from "./internal/emit.ts";
import { type IncomingRequest, readRequest, replyMessage } from "./internal/envelope.ts";
import { errorReply, Procedures } from "./internal/procedures.ts";
import { RequestContext } from "./internal/request_context.ts";
import {
  type ConsumerSession,
  openConsumerSession,
  openPublisherSession,
  type PublisherSession,
} from "./internal/server_sessions.ts";
import { sleep } from "./internal/sleep.ts";
import { DURABILITIES, type Durability } from "./internal/topology.ts";

export type { Durability } from "./internal/topology.ts";

/** Options of {@linkcode RpcServer.listen}. */
export interface RpcServerOptions<C extends Contract = Record<string, Handler>>
  extends ConnectOptions {
  /** The request queue. Several servers on one queue share its requests. */
  readonly queue: string;
  /** The procedures: functions that run on this thread, or a pool's handlers, by name. */
  readonly handlers: Handlers<C>;
  /**
   * The procedure of requests that name none, such as those of RabbitMQ's tutorial.
   *
   * @default {the only procedure, if there is but one}
   */
  readonly defaultProcedure?: keyof C & string;
  /**
   * What the request queue survives. A queue that exists must have been declared alike.
   *
   * @default {"replicated"}
   */
  readonly durability?: Durability;
  /**
   * Most requests that this server has in hand at a time, from 1 to 2000. Fewer share the load
   * more evenly with other servers; a pool needs a few more than it has workers.
   *
   * @default {16}
   */
  readonly prefetch?: number;
  /**
   * Largest input or output, in bytes. A larger one is answered with the error `too-large`.
   * RabbitMQ 4 takes 16 MiB unless told otherwise.
   *
   * @default {16_777_216}
   */
  readonly maxBodyBytes?: number;
  /** Observes connections and served requests. What it throws is dropped. */
  readonly onEvent?: (event: RpcServerEvent) => void;
}

/** Options of {@linkcode RpcServer.close}. */
export interface RpcServerCloseOptions {
  /**
   * Time that requests in hand have to be served, in milliseconds. After it they go back to the
   * queue, for another server.
   *
   * @default {30_000}
   */
  readonly graceMs?: number;
}

/** Counts of a server, for dashboards and tests. */
export interface RpcServerStats {
  /** Requests in hand: running, or waiting for a worker or for the confirm of their reply. */
  readonly active: number;
  /** Requests answered with an output, or run as notifications. */
  readonly succeeded: number;
  /** Requests answered with an error. */
  readonly failed: number;
  /** Requests whose caller's reply queue was gone when they were answered. */
  readonly orphaned: number;
  /** Requests that were not run because their deadline had passed. */
  readonly expired: number;
}

/**
 * How far past its deadline, in milliseconds, a request is still run: the caller's clock may be
 * ahead or behind. The broker's own `expiration` needs no clock and removes most in time.
 */
const CLOCK_TOLERANCE_MS = 5_000;

/** How the error of a body that is too large begins. */
const SUBJECT = "Cannot serve the request as";

/** Pause before a reply that the broker refused is published again, in milliseconds. */
const REFUSED_PAUSE_MS = 200;

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
  readonly #procedures: Procedures;
  readonly #maxBodyBytes: number;
  readonly #emit: (event: RpcServerEvent) => void;
  readonly #active = new Map<Delivery, RequestContext | undefined>();
  readonly #counts = { succeeded: 0, failed: 0, orphaned: 0, expired: 0 };
  #consumer: Connection<ConsumerSession> | undefined;
  #publisher: Connection<PublisherSession> | undefined;
  #onIdle: () => void = () => {};
  #closing: Promise<void> | undefined;
  /** Set when the grace of close() is over: what is in hand then is left to other servers. */
  #abandoned: RpcError | undefined;

  private constructor(options: RpcServerOptions) {
    const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
    checkInteger("listen", "maxBodyBytes", maxBodyBytes, { min: 1 });
    this.#procedures = new Procedures(options.handlers, options.defaultProcedure);
    this.#maxBodyBytes = maxBodyBytes;
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
    const { queue, durability = "replicated", prefetch = 16 } = options;
    checkName("listen", "queue", queue);
    checkInteger("listen", "prefetch", prefetch, { min: 1, max: 2_000 });
    checkDurability(durability);
    const settings = resolveConnectOptions(url, options);
    // The handlers' types matter to the caller's compiler only.
    const server = new RpcServer(options as RpcServerOptions);
    await using stack = new AsyncDisposableStack();
    server.#publisher = await Connection.open<PublisherSession>({
      ...settings,
      ...server.#observe("publisher"),
      setUp: openPublisherSession,
    });
    stack.defer(() => server.#publisher?.close());
    server.#consumer = await Connection.open<ConsumerSession>({
      ...settings,
      ...server.#observe("consumer"),
      setUp: (connection) =>
        openConsumerSession(connection, {
          queue,
          durability,
          prefetch,
          onDelivery: (delivery) => server.#accept(delivery),
          onCancelled: () => server.#emit({ type: "consumer-cancelled" }),
        }),
    });
    stack.move();
    return server;
  }

  /** Counts requests. */
  stats(): RpcServerStats {
    return { active: this.#active.size, ...this.#counts };
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
      await this.#consumer?.session?.stop();
    } catch {
      // The session has just ended, and there will be no other.
    }
    await this.#drain(graceMs);
    const reason = new RpcError("closed", "Cannot complete the request as the server is closed");
    this.#abandoned = reason;
    for (const context of this.#active.values()) context?.abort(reason);
    // What is not acknowledged now goes back to the queue with its channel.
    await this.#consumer?.close();
    await this.#publisher?.close();
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#active.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(resolve, graceMs);
    await promise;
    clearTimeout(timer);
  }

  #observe(connection: "consumer" | "publisher") {
    return {
      onSession: () => {},
      onGiveUp: () => {},
      onEvent: (event: ConnectionEvent) => this.#emit({ ...event, connection }),
    };
  }

  /** Runs inside amqplib's callback, so it only starts what never throws. */
  #accept(amqpDelivery: AmqpDelivery): void {
    const delivery = new Delivery(amqpDelivery);
    this.#active.set(delivery, undefined);
    this.#serve(delivery).catch((error) => this.#onUnserved(error)).finally(() => {
      this.#active.delete(delivery);
      if (this.#active.size === 0) this.#onIdle();
    });
  }

  async #serve(delivery: Delivery): Promise<void> {
    // No handler runs inside amqplib's callback.
    await Promise.resolve();
    const request = readRequest(delivery.properties);
    if (isExpired(request)) {
      this.#counts.expired++;
      this.#emit({ type: "served", procedure: request.procedure, outcome: "expired" });
      return delivery.ack();
    }
    const reply = await this.#run(request, delivery);
    // Another server runs the request anew; an error of a handler that was aborted is no answer.
    if (this.#abandoned !== undefined) throw this.#abandoned;
    const isOrphan = request.replyTo !== undefined && !await this.#publish(request, reply);
    delivery.ack();
    this.#count(request, reply, isOrphan);
  }

  async #run(request: IncomingRequest, delivery: Delivery): Promise<EncodedReply> {
    try {
      checkBodySize(delivery.body, this.#maxBodyBytes, `${SUBJECT} its input`);
      const { name, handler } = this.#procedures.find(request.procedure);
      const context = new RequestContext(name, request, delivery.redeliveries);
      this.#active.set(delivery, context);
      const { body } = delivery;
      const { contentType } = request;
      const reply = await handler.handle({ procedure: name, body, contentType, context });
      checkBodySize(reply.body, this.#maxBodyBytes, `${SUBJECT} its output`);
      return reply;
    } catch (error) {
      return errorReply(error);
    }
  }

  /** Publishes a reply until the broker has it; tells whether the caller's queue was there. */
  async #publish(request: IncomingRequest, reply: EncodedReply): Promise<boolean> {
    const { correlationId, replyTo = "" } = request;
    const message = replyMessage({ ...reply, correlationId, replyTo });
    for (;;) {
      const session = await this.#publisher?.whenOpen();
      switch (await session?.publisher.publish(() => message)) {
        case "confirmed":
          return true;
        case "returned":
          return false;
        case "refused":
          await sleep(REFUSED_PAUSE_MS);
      }
    }
  }

  #count(request: IncomingRequest, reply: EncodedReply, isOrphan: boolean): void {
    const { procedure, replyTo } = request;
    if (isOrphan) this.#counts.orphaned++;
    else if (reply.type === "error") this.#counts.failed++;
    else this.#counts.succeeded++;
    const outcome = isOrphan ? "orphaned" : replyTo === undefined ? "notified" : reply.type;
    this.#emit({ type: "served", procedure, outcome });
  }

  /** The connection closed for good; the broker gives the request to another server. */
  #onUnserved(error: unknown): void {
    this.#emit({ type: "unserved", error });
  }
}

function isExpired({ deadline }: IncomingRequest): boolean {
  return deadline !== undefined && Date.now() > deadline + CLOCK_TOLERANCE_MS;
}

function checkDurability(durability: string): void {
  if (DURABILITIES.some((known) => known === durability)) return;
  throw new TypeError(
    `Cannot listen as "durability" must be one of "${DURABILITIES.join('", "')}": ` +
      `current value is "${durability}"`,
  );
}
