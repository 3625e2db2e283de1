/**
 * The serving side: procedures that are called through a RabbitMQ queue.
 *
 * @module
 */

import { type RpcConnection, settingsOf } from "./connection.ts";
import type { IdempotencyStore } from "./options/idempotency_options.ts";
import type { BrokerUrl } from "./options/connect_options.ts";
import type { AnyHandlers, Contract, Handlers, Servable } from "./contract.ts";
import type { ConnectionEvent, RpcState } from "./options/events.ts";
import type {
  RpcServerCloseOptions,
  RpcServerOptions,
  RpcServerStats,
} from "./options/server_options.ts";
import {
  checkCodecs,
  checkFunctions,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPattern,
  checkType,
  DEFAULT_MAX_BODY_BYTES,
  readGraceMs,
  wrongValue,
} from "./internal/check.ts";
import { nameProgram, resolveConnectOptions } from "./internal/broker/connect_settings.ts";
import { BodyLimits } from "./internal/broker/body_limits.ts";
import { Connection } from "./internal/broker/connection.ts";
import { MAX_TIMEOUT_MS } from "./internal/time.ts";
import { procedureInfos } from "./internal/control/procedure_infos.ts";
import { ServerControl } from "./internal/control/server_control.ts";
import {
  checkDurability,
  checkRequestQueueName,
  type RequestQueue,
} from "./internal/protocol/request_queue.ts";
import type { IntakeOptions } from "./internal/serving/intake.ts";
import { Prefetch } from "./internal/serving/prefetch.ts";
import { Procedures } from "./internal/serving/procedures.ts";
import { type OnForgotten, ReplyCache } from "./internal/serving/keys/reply_cache.ts";
import { ClaimedWork } from "./internal/serving/keys/claimed_work.ts";
import { WorkKey } from "./internal/serving/keys/work_key.ts";
import { RequestRunner, type RunnerOptions } from "./internal/serving/request_runner.ts";
import { RequestService } from "./internal/serving/request_service.ts";
import { ServerLife } from "./internal/server_life.ts";
import {
  type ConsumerSession,
  openConsumerSession,
  openPublisherSession,
  type PublisherSession,
  type ServerSessions,
} from "./internal/serving/server_sessions.ts";

/** Of consumers, to the broker: any integer would do. */
const PRIORITY_BOUNDS = { min: -1_000, max: 1_000 };

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
 * await RpcServer.listen("amqp://127.0.0.1", {
 *   queue: "greetings",
 *   handlers: { greet: (name: string) => `Hello, ${name}` },
 *   closeOnSignals: true,
 * });
 * // Serves until Ctrl-C, and finishes what it has in hand.
 * ```
 */
export class RpcServer<C extends Contract = Contract> implements AsyncDisposable {
  readonly #service: RequestService;
  readonly #prefetch: Prefetch;
  readonly #queue: RequestQueue & Pick<IntakeOptions, "consumerPriority" | "timeLimitMs">;
  readonly #limits: BodyLimits;
  readonly #sessions: ServerSessions = {};
  readonly #life: ServerLife;
  readonly #control: ServerControl;
  #closing: Promise<void> | undefined;
  /** Only a mark for the compiler; never set: what `ClientOf` reads. */
  declare readonly "~contract": C;

  private constructor(options: RpcServerOptions) {
    checkOptions("listen", options);
    const { queue, returns = true, declare = true } = options;
    const { durability = declare ? "replicated" : "existing" } = options;
    const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, maxDeliveries = 3 } = options;
    const { handlers, defaultProcedure, codecs, sendStacks = false } = options;
    const { procedures: only, control } = options;
    const { replyQueues, consumerPriority, handlerTimeLimitMs, interceptors } = options;
    checkRequestQueueName(queue);
    checkType("listen", { declare }, "boolean");
    checkDurability(durability, declare);
    checkInteger("listen", { maxBodyBytes, maxDeliveries }, { min: 1 });
    checkInteger("listen", { handlerTimeLimitMs }, { min: 1, max: MAX_TIMEOUT_MS });
    checkInteger("listen", { consumerPriority }, PRIORITY_BOUNDS);
    checkType("listen", { returns, sendStacks }, "boolean");
    checkPattern("listen", { replyQueues });
    checkOneOf("listen", { control }, declare ? ["none", "read", "admin"] : ["none", "read"]);
    checkCodecs("listen", codecs);
    checkFunctions("listen", { interceptors });
    checkNames(only);
    const procedures = new Procedures(handlers, defaultProcedure, { codecs, only });
    this.#prefetch = new Prefetch(procedures.handlers(), options.prefetch);
    const { timeLimitMs } = procedures;
    this.#queue = { queue, durability, returns, declare, consumerPriority, timeLimitMs };
    this.#life = new ServerLife(this, options);
    this.#limits = new BodyLimits(maxBodyBytes);
    this.#control = this.#openControl(options);
    this.#service = new RequestService({
      queue,
      durability,
      declare,
      maxDeliveries,
      replyQueues,
      defaultProcedure: procedures.defaultName,
      interceptors: interceptors?.length ? [...interceptors] : undefined,
      runner: new RequestRunner({
        procedures,
        maxBodyBytes,
        ...this.#keysOf(options),
        includeStack: sendStacks,
        handlerTimeLimitMs,
      }),
      limits: this.#limits,
      ...this.#life.told,
      sessions: this.#sessions,
      onSettled: (settled) => this.#control.onSettled(settled),
    });
  }

  /**
   * Connects, declares the request queue and starts to serve it.
   *
   * @typeParam C The contract that the handlers must fulfil, if it was written first.
   * @typeParam H The handlers.
   * @param place The broker's URL, the URLs of a cluster's nodes, or a connection to share.
   * @param options The queue, the handlers and limits.
   * @returns A server that serves until it is closed.
   * @throws {TypeError} If the URL, a name, a handler or another option is of the wrong kind.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; the message names the
   * broker or the queue and the next step.
   */
  static async listen<
    C extends Contract = never,
    H extends object = [C] extends [never] ? AnyHandlers : Handlers<C>,
  >(
    place: BrokerUrl | RpcConnection,
    options: RpcServerOptions<H & Servable<H>>,
  ): Promise<RpcServer<[C] extends [never] ? H : C>> {
    // The handlers' types matter to the caller's compiler only.
    const server = new RpcServer<[C] extends [never] ? H : C>(
      options as unknown as RpcServerOptions,
    );
    const { queue } = server.#queue;
    const settings = resolveConnectOptions(settingsOf(place), options, `${queue} server`);
    const { confirmTimeoutMs } = settings;
    const sessions = server.#sessions;
    await using stack = new AsyncDisposableStack();
    sessions.publisher = await Connection.open<PublisherSession>({
      ...settings,
      connectionName: options.connectionName ?? nameProgram(`${queue} server/publisher`),
      ...server.#observe("publisher"),
      setUp: (connection) =>
        openPublisherSession(connection, {
          confirmTimeoutMs,
          limits: server.#limits,
          declare: server.#queue.declare,
        }),
    });
    stack.defer(() => sessions.publisher?.close());
    sessions.consumer = await Connection.open<ConsumerSession>({
      ...settings,
      connectionName: options.connectionName ?? nameProgram(`${queue} server/consumer`),
      ...server.#observe("consumer"),
      setUp: (connection) =>
        openConsumerSession(connection, {
          ...server.#queue,
          requests: server.#service,
          questions: server.#control,
          consumerName: options.connectionName ?? nameProgram(`${queue} server`),
          prefetch: () => server.#control.prefetch,
          onNoReturns: (reason) =>
            server.#life.emit({ type: "returns-unavailable", error: reason }),
          onCancelled: () => server.#life.emit({ type: "consumer-cancelled" }),
        }),
    });
    server.#prefetch.watch(() => sessions.consumer?.session?.intake.adjust());
    stack.move();
    server.#life.start();
    return server;
  }

  /** What the server is at, since when, and why: to be shown, or asked by a probe. */
  get state(): RpcState<"serving"> {
    return this.#life.state;
  }

  /**
   * Resolves when the server is closed, and rejects if it has failed, which is when the connection
   * that it shares was closed before it: what a program waits for that only serves. A broker that is
   * away or refuses ends nothing: see {@linkcode RpcServer.state}.
   */
  get finished(): Promise<void> {
    return this.#life.finished;
  }

  /** Counts requests. */
  stats(): RpcServerStats {
    return this.#service.stats();
  }

  /**
   * Takes no further requests, serves those in hand, and disconnects. May be called again.
   *
   * A handler may wait for it, too: for that one it settles as soon as no other request is in hand, or
   * half a second before the grace is over, and the server disconnects once its request is answered.
   *
   * @param options How long to wait.
   * @returns When everything in hand is settled and the connections are closed.
   * @throws {TypeError} If the options are no object; then nothing is closed.
   * @throws {RangeError} If `graceMs` is not a number of at least 0; nor then.
   */
  close(options: RpcServerCloseOptions = {}): Promise<void> {
    const graceMs = readGraceMs("close", options, 30_000);
    if (typeof graceMs !== "number") return Promise.reject(graceMs);
    this.#closing ??= this.#close(graceMs);
    return this.#service.othersServed(graceMs) ?? this.#closing;
  }

  /** Closes the server with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openControl({ queue, control = "read", handlers, procedures }: RpcServerOptions): ServerControl {
    return new ServerControl({
      queue,
      mode: control,
      procedures: procedureInfos(handlers, procedures),
      prefetch: () => this.#prefetch.count,
      pools: () => this.#prefetch.loads(),
      resize: (workers) => this.#prefetch.resize(workers),
      service: () => this.#service,
      sessions: this.#sessions,
      emit: this.#life.emit,
      onPaused: (isPaused) => {
        this.#life.setPaused(isPaused);
        this.#sessions.consumer?.session?.intake.adjust();
      },
      // It never rejects with such a grace.
      close: (graceMs) => void this.close({ graceMs }),
    });
  }

  #keysOf(
    { queue, replyCache = {}, idempotency = {} }: RpcServerOptions,
  ): Pick<RunnerOptions, "cache" | "keyScope" | "claimed"> {
    if (replyCache !== false) checkType("listen", { replyCache }, "object");
    checkType("listen", { idempotency }, "object");
    checkOneOf("listen", { "idempotency.scope": idempotency.scope }, ["caller", "queue"]);
    const { store, maxAgeMs = 86_400_000 } = idempotency;
    checkInteger("listen", { "idempotency.maxAgeMs": maxAgeMs }, { min: 1 });
    if (store !== undefined) checkStore(store);
    return {
      claimed: store && new ClaimedWork({
        store,
        queue,
        maxAgeMs,
        onNotKept: ({ name }) => this.#onForgotten(...WorkKey.parse(name), "store-failed"),
      }),
      cache: replyCache === false ? undefined : new ReplyCache(replyCache, this.#onForgotten),
      keyScope: idempotency.scope,
    };
  }

  readonly #onForgotten: OnForgotten = (procedure, key, reason) => {
    this.#life.emit({ type: "key-forgotten", procedure, key, reason });
  };

  async #close(graceMs: number): Promise<void> {
    this.#life.drain();
    const { consumer, publisher } = this.#sessions;
    this.#control.onClosing();
    // Should the session end from now on, its requests are other servers' already.
    consumer?.retire();
    try {
      this.#prefetch.unwatch();
      await consumer?.session?.intake.stop();
    } catch {
      // The session has just ended, and there will be no other.
    }
    await this.#service.close(graceMs);
    // What is not acknowledged now goes back to the queue with its channel.
    await consumer?.close();
    await publisher?.close();
    this.#life.end();
  }

  #observe(connection: "consumer" | "publisher") {
    return {
      role: connection,
      onSession: () => {},
      onEvent: (event: ConnectionEvent) => {
        if (event.type === "disconnected") {
          if (connection === "consumer") this.#service.onDisconnected(event.error);
          // The next broker may take more.
          else this.#limits.forget();
        }
        this.#life.onConnection(connection, event);
      },
    };
  }
}

function checkNames(procedures: unknown): void {
  if (procedures === undefined || Array.isArray(procedures)) return;
  throw new TypeError(wrongValue("listen", ["procedures", procedures], "an array of names"));
}

function checkStore(store: IdempotencyStore): void {
  checkType("listen", { "idempotency.store": store }, "object");
  for (const method of ["claim", "keep", "release"] as const) {
    checkType("listen", { [`idempotency.store.${method}`]: store[method] ?? null }, "function");
  }
}
