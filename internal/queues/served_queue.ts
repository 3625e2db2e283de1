/** One queue of a server: its sessions, its service, and its answers to operators. @module */

import type { ConnectionEvent, RpcServerEvent } from "../../options/events.ts";
import type { IdempotencyStore } from "../../options/idempotency_options.ts";
import type { RpcServerOptions, RpcServerStats } from "../../options/server_options.ts";
import { BodyLimits } from "../broker/body_limits.ts";
import { type ConnectSettings, nameProgram } from "../broker/connect_settings.ts";
import { Connection } from "../broker/connection.ts";
import {
  checkCodecs,
  checkFunctions,
  checkInteger,
  checkOneOf,
  checkPattern,
  checkType,
  DEFAULT_MAX_BODY_BYTES,
  wrongValue,
} from "../check.ts";
import { procedureInfos } from "../control/procedure_infos.ts";
import { ServerControl } from "../control/server_control.ts";
import { checkDurability, type RequestQueue } from "../protocol/request_queue.ts";
import type { IntakeOptions } from "../serving/intake.ts";
import { ClaimedWork } from "../serving/keys/claimed_work.ts";
import { type OnForgotten, ReplyCache } from "../serving/keys/reply_cache.ts";
import { WorkKey } from "../serving/keys/work_key.ts";
import { Prefetch } from "../serving/prefetch.ts";
import { Procedures } from "../serving/procedures.ts";
import { RequestRunner, type RunnerOptions } from "../serving/request_runner.ts";
import { RequestService, type RequestServiceOptions } from "../serving/request_service.ts";
import {
  type ConsumerSession,
  openConsumerSession,
  openPublisherSession,
  type PublisherSession,
  type ServerSessions,
} from "../serving/server_sessions.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";

/** Of consumers, to the broker: any integer would do. */
const PRIORITY_BOUNDS = { min: -1_000, max: 1_000 };

/** The connections of a queue, as events name them. */
type Role = "consumer" | "publisher";

/** What a queue tells its server. */
export interface QueueOwner extends Pick<RequestServiceOptions, "emit" | "isObserved" | "warn"> {
  readonly emit: (event: RpcServerEvent) => void;
  /** Told what happens to a connection. */
  readonly onConnection: (role: Role, event: ConnectionEvent) => void;
  /** Told that an administrator has paused it, or lets it go on. */
  readonly onPaused: () => void;
  /** Told that an administrator wants it drained. */
  readonly onDrain: (graceMs: number) => void;
}

/** Serves procedures from one queue. */
export class ServedQueue {
  /** Its name. */
  readonly name: string;
  readonly #options: RpcServerOptions;
  readonly #owner: QueueOwner;
  readonly #service: RequestService;
  readonly #prefetch: Prefetch;
  readonly #queue: RequestQueue & Pick<IntakeOptions, "consumerPriority" | "timeLimitMs">;
  readonly #limits: BodyLimits;
  readonly #sessions: ServerSessions = {};
  readonly #control: ServerControl;
  #closing: Promise<void> | undefined;

  /**
   * Checks the options; nothing is connected yet.
   *
   * @throws {TypeError} If an option is of the wrong kind.
   * @throws {RangeError} If a number is out of its bounds.
   */
  constructor(options: RpcServerOptions, owner: QueueOwner) {
    const { queue, returns = true, declare = true } = options;
    const { durability = declare ? "replicated" : "existing" } = options;
    const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES, maxDeliveries = 3 } = options;
    const { handlers, defaultProcedure, codecs, sendStacks = false } = options;
    const { replyQueues, consumerPriority, handlerTimeLimitMs, interceptors } = options;
    checkQueueOptions(options);
    this.name = queue;
    this.#options = options;
    this.#owner = owner;
    const procedures = new Procedures(handlers, defaultProcedure, {
      codecs,
      only: options.procedures,
    });
    this.#prefetch = new Prefetch(procedures.handlers(), options.prefetch);
    const { timeLimitMs } = procedures;
    this.#queue = { queue, durability, returns, declare, consumerPriority, timeLimitMs };
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
      emit: owner.emit,
      isObserved: owner.isObserved,
      warn: owner.warn,
      sessions: this.#sessions,
      onSettled: (settled) => this.#control.onSettled(settled),
    });
  }

  /**
   * Connects, declares the queue and starts to serve it.
   *
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`.
   */
  async open(settings: ConnectSettings): Promise<void> {
    const { confirmTimeoutMs } = settings;
    const { connectionName } = this.#options;
    const sessions = this.#sessions;
    const nameOf = (part: string) => connectionName ?? nameProgram(`${this.name} ${part}`);
    await using stack = new AsyncDisposableStack();
    sessions.publisher = await Connection.open<PublisherSession>({
      ...settings,
      connectionName: nameOf("server/publisher"),
      ...this.#observe("publisher"),
      setUp: (connection) =>
        openPublisherSession(connection, {
          confirmTimeoutMs,
          limits: this.#limits,
          declare: this.#queue.declare,
        }),
    });
    stack.defer(() => sessions.publisher?.close());
    sessions.consumer = await Connection.open<ConsumerSession>({
      ...settings,
      connectionName: nameOf("server/consumer"),
      ...this.#observe("consumer"),
      setUp: (connection, broker) =>
        openConsumerSession(connection, {
          ...this.#queue,
          broker,
          requests: this.#service,
          questions: this.#control,
          consumerName: nameOf("server"),
          prefetch: () => this.#control.prefetch,
          onNoReturns: (error) => this.#owner.emit({ type: "returns-unavailable", error }),
          onCancelled: () => this.#owner.emit({ type: "consumer-cancelled" }),
        }),
    });
    this.#prefetch.watch(() => sessions.consumer?.session?.intake.adjust());
    stack.move();
  }

  /** Whether an administrator has paused it. */
  get isPaused(): boolean {
    return this.#control.state === "paused";
  }

  /** Whether it takes nothing any more, and never will. */
  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** Counts requests. */
  stats(): RpcServerStats {
    return this.#service.stats();
  }

  /** For a handler that waits for the end of its server: see {@linkcode RequestService.othersServed}. */
  othersServed(graceMs: number): Promise<void> | undefined {
    return this.#service.othersServed(graceMs);
  }

  /** Takes no further requests, serves those in hand, and disconnects. May be called again. */
  close(graceMs: number): Promise<void> {
    return this.#closing ??= this.#close(graceMs);
  }

  #openControl(options: RpcServerOptions): ServerControl {
    const { queue, control = "read", handlers, procedures } = options;
    const { maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
    return new ServerControl({
      queue,
      limits: { maxBodyBytes, durability: this.#queue.durability },
      mode: control,
      procedures: procedureInfos(handlers, procedures),
      prefetch: () => this.#prefetch.count,
      pools: () => this.#prefetch.loads(),
      resize: (workers) => this.#prefetch.resize(workers),
      service: () => this.#service,
      sessions: this.#sessions,
      emit: this.#owner.emit,
      onPaused: () => {
        this.#owner.onPaused();
        this.#sessions.consumer?.session?.intake.adjust();
      },
      close: (graceMs) => this.#owner.onDrain(graceMs),
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
    this.#owner.emit({ type: "key-forgotten", procedure, key, reason });
  };

  async #close(graceMs: number): Promise<void> {
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
  }

  #observe(connection: Role) {
    return {
      role: connection,
      onSession: () => {},
      onEvent: (event: ConnectionEvent) => {
        if (event.type === "disconnected") {
          if (connection === "consumer") this.#service.onDisconnected(event.error);
          // The next broker may take more.
          else this.#limits.forget();
        }
        this.#owner.onConnection(connection, event);
      },
    };
  }
}

/** Before the first side effect. */
function checkQueueOptions(options: RpcServerOptions): void {
  const { declare = true, maxBodyBytes, maxDeliveries, returns, sendStacks } = options;
  const { durability = declare ? "replicated" : "existing" } = options;
  const { handlerTimeLimitMs, consumerPriority, replyQueues, control, interceptors } = options;
  checkType("listen", { declare }, "boolean");
  checkDurability(durability, declare);
  checkInteger("listen", { maxBodyBytes, maxDeliveries }, { min: 1 });
  checkInteger("listen", { handlerTimeLimitMs }, { min: 1, max: MAX_TIMEOUT_MS });
  checkInteger("listen", { consumerPriority }, PRIORITY_BOUNDS);
  checkType("listen", { returns, sendStacks }, "boolean");
  checkPattern("listen", { replyQueues });
  checkOneOf("listen", { control }, declare ? ["none", "read", "admin"] : ["none", "read"]);
  checkCodecs("listen", options.codecs);
  checkFunctions("listen", { interceptors });
  checkNames(options.procedures);
}

function checkNames(procedures: unknown): void {
  if (procedures === undefined) return;
  const isArray = Array.isArray(procedures);
  if (isArray && procedures.length > 0) return;
  const kind = isArray ? "an array of at least one name" : "an array of names";
  throw new TypeError(wrongValue("listen", ["procedures", procedures], kind));
}

function checkStore(store: IdempotencyStore): void {
  checkType("listen", { "idempotency.store": store }, "object");
  for (const method of ["claim", "keep", "release"] as const) {
    checkType("listen", { [`idempotency.store.${method}`]: store[method] ?? null }, "function");
  }
}
