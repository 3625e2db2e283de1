/**
 * The operator's side: asks running servers what they do, and tells them to pause, drain or cancel.
 * Servers answer on a thread that does not compute, so they do within milliseconds while all their
 * workers are busy.
 *
 * @module
 */

import type { BrokerUrl, ConnectOptions } from "../../options/connect_options.ts";
import {
  checkInteger,
  checkName,
  checkNumber,
  checkOptions,
  checkType,
} from "../../internal/check.ts";
import { nameProgram, resolveConnectOptions } from "../../internal/broker/connect_settings.ts";
import { Connection } from "../../internal/broker/connection.ts";
import {
  type ChangingVerb,
  isChanging,
  type ReadingVerb,
  type ServerActive,
  type ServerChange,
  type ServerIdentity,
  type ServerInfo,
  type ServerPing,
  type ServerStats,
  type ServerWhy,
} from "../../internal/protocol/control_question.ts";
import { type BrokerState, type ControlSession, openControlSession } from "./control_session.ts";

export type { BrokerUrl, ConnectOptions, TlsOptions } from "../../options/connect_options.ts";
export type { BrokerState } from "./control_session.ts";
export type { RpcServerStats } from "../../options/server_options.ts";
export type {
  ProcedureInfo,
  ProcedureStats,
  RequestReport,
  ServerActive,
  ServerChange,
  ServerCondition,
  ServerIdentity,
  ServerInfo,
  ServerPing,
  ServerStats,
  ServerWhy,
} from "../../internal/protocol/control_question.ts";

/** Options of {@linkcode RpcControl.connect}. */
export interface RpcControlOptions extends ConnectOptions {
  /**
   * How long answers are waited for, in milliseconds, from 1 to 2147483647. How many servers there are
   * nobody knows, so each question takes as long, unless it says how many answers it expects.
   *
   * @default {2_000}
   */
  readonly timeoutMs?: number;
  /** Told of the connection: that it was lost, and is there again. What it throws is dropped. */
  readonly onConnection?: (state: "connected" | "disconnected") => void;
}

/** Which servers are meant, and how long their answers are waited for. */
export interface ControlTarget {
  /**
   * The request queue of the servers.
   *
   * @default {the servers of all queues}
   */
  readonly queue?: string;
  /**
   * The id of the one server that is meant.
   *
   * @default {all servers of the queue}
   */
  readonly server?: string;
  /**
   * How many answers end the wait, at least 1.
   *
   * @default {1 for one server; else the whole time is waited}
   */
  readonly expect?: number;
  /**
   * How long answers are waited for, in milliseconds.
   *
   * @default {RpcControlOptions.timeoutMs}
   */
  readonly timeoutMs?: number;
}

/** Options of {@linkcode RpcControl.active}. */
export interface ActiveOptions extends ControlTarget {
  /**
   * How long requests must have been in hand, in milliseconds.
   *
   * @default {0}
   */
  readonly olderMs?: number;
  /**
   * The most requests that each server lists, from 1 to 1000.
   *
   * @default {100}
   */
  readonly limit?: number;
}

/** Options of {@linkcode RpcControl.drain}. */
export interface DrainOptions extends ControlTarget {
  /**
   * How long requests in hand may go on, in milliseconds, from 0; then other servers run them.
   *
   * @default {7_200_000}
   */
  readonly graceMs?: number;
}

/** A queue, as the broker sees it. */
export interface QueueState {
  /** Requests that wait in it. */
  readonly ready: number;
  /** Its consumers: one for each server that takes requests. */
  readonly consumers: number;
}

/** What is known of a request: see {@linkcode RpcControl.why}. */
export interface Whereabouts {
  /** The servers that answered; the one that has the request in hand says so. */
  readonly servers: readonly ServerWhy[];
  /** The queue; `undefined` if it does not exist. */
  readonly queue: QueueState | undefined;
}

/** An answer, with how long it took. */
export type Answer<T extends ServerIdentity> = T & {
  /** From the question to its answer, in milliseconds. */
  readonly roundTripMs: number;
};

/**
 * Asks servers and commands them, over the broker.
 *
 * - Whoever may cancel calls may ask; changes take the right to write to the exchange `rpc.admin`, and
 *   servers that were started with `control: "admin"`.
 * - Silence is not absence: a server that is cut off, or that computes on its own thread, does not
 *   answer. {@linkcode RpcControl.queue} tells how many consumers the broker sees.
 * - A lost connection is healed; a question that is under way meanwhile gets the answers that came.
 *
 * @example All servers of a queue
 * ```ts ignore because it needs a broker and servers
 * import { RpcControl } from "@warren/rpc/control";
 *
 * await using control = await RpcControl.connect("amqp://127.0.0.1");
 * for (const { id, inHand, state } of await control.stats({ queue: "math" })) {
 *   console.log(id, state, inHand);
 * }
 * ```
 */
export class RpcControl implements AsyncDisposable {
  readonly #connection: Connection<ControlSession>;
  readonly #timeoutMs: number;
  readonly #user: string | undefined;

  private constructor(parts: ControlParts) {
    this.#connection = parts.connection;
    this.#timeoutMs = parts.timeoutMs;
    this.#user = parts.user;
  }

  /**
   * Connects to the broker.
   *
   * @param url The broker's URL, or the URLs of a cluster's nodes.
   * @param options How to connect, and how long to wait for answers.
   * @returns What asks servers.
   * @throws {TypeError} If the URL or an option cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`.
   */
  static async connect(url: BrokerUrl, options: RpcControlOptions = {}): Promise<RpcControl> {
    checkOptions("connect", options);
    const { timeoutMs = 2_000, onConnection } = options;
    checkInteger("connect", { timeoutMs }, TIMEOUT_BOUNDS);
    checkType("connect", { onConnection }, "function");
    const settings = resolveConnectOptions(url, options, "control");
    const { confirmTimeoutMs } = settings;
    const connection = await Connection.open<ControlSession>({
      ...settings,
      connectionName: options.connectionName ?? nameProgram("control"),
      setUp: (link) => openControlSession(link, confirmTimeoutMs),
      onSession: () => {},
      onEvent: ({ type }) => tell(onConnection, type),
    });
    // Nodes of one cluster know the same users.
    const [address] = settings.addresses;
    return new RpcControl({ connection, timeoutMs, user: address?.username });
  }

  /** Asks for a sign of life, and how long it took. */
  ping(target: ControlTarget = {}): Promise<Answer<ServerPing>[]> {
    return this.#ask<ServerPing>("ping", target);
  }

  /** Asks which servers there are, and which procedures they have, with their schemas. */
  info(target: ControlTarget = {}): Promise<Answer<ServerInfo>[]> {
    return this.#ask<ServerInfo>("info", target);
  }

  /** Asks for counts and times. */
  stats(target: ControlTarget = {}): Promise<Answer<ServerStats>[]> {
    return this.#ask<ServerStats>("stats", target);
  }

  /** Asks for the requests in hand. */
  async active(options: ActiveOptions = {}): Promise<Answer<ServerActive>[]> {
    checkOptions("ask", options);
    const { olderMs, limit, ...target } = options;
    checkNumber("ask", { olderMs }, { min: 0 });
    checkInteger("ask", { limit }, { min: 1, max: 1_000 });
    return await this.#ask<ServerActive>("active", target, { olderMs, limit });
  }

  /**
   * Asks where a request is.
   *
   * @param queue The request queue.
   * @param id Its id, as {@linkcode RpcControl.active} has it, or its correlation id.
   * @param target Which servers are asked.
   */
  async why(queue: string, id: string, target: ControlTarget = {}): Promise<Whereabouts> {
    const [state, servers] = await Promise.all([
      this.queue(queue),
      this.#ask<ServerWhy>("why", { ...target, queue }, { id }),
    ]);
    return { servers, queue: state };
  }

  /**
   * Looks at a queue.
   *
   * @returns What the broker says; `undefined` if there is no such queue.
   * @throws {RpcError} `access-refused`, or `timeout` if the broker does not answer within `timeoutMs`.
   */
  async queue(name: string): Promise<QueueState | undefined> {
    checkName("ask", { queue: name });
    const session = await this.#connection.whenOpen();
    return await session.inspect(name, this.#timeoutMs);
  }

  /** Tells what the broker is, and whether it takes messages. */
  async broker(): Promise<BrokerState> {
    const session = await this.#connection.whenOpen();
    return session.broker();
  }

  /** Has servers take no more requests. What they have in hand goes on. */
  pause(target: ControlTarget): Promise<Answer<ServerChange>[]> {
    return this.#ask<ServerChange>("pause", target);
  }

  /** Has servers take requests again that were paused. */
  resume(target: ControlTarget): Promise<Answer<ServerChange>[]> {
    return this.#ask<ServerChange>("resume", target);
  }

  /** Has servers take no more requests, serve what they have in hand, and close. */
  async drain(options: DrainOptions): Promise<Answer<ServerChange>[]> {
    checkOptions("ask", options);
    const { graceMs, ...target } = options;
    checkNumber("ask", { graceMs }, { min: 0 });
    return await this.#ask<ServerChange>("drain", target, { graceMs });
  }

  /**
   * Cancels requests: their callers get the error `cancelled`.
   *
   * @param ids Their ids, as {@linkcode RpcControl.active} has them, or their correlation ids.
   * @param target Which servers are told.
   */
  cancel(ids: readonly string[], target: ControlTarget): Promise<Answer<ServerChange>[]> {
    return this.#ask<ServerChange>("cancel", target, { ids });
  }

  /**
   * Has the pools of servers have more workers, or fewer. Those that are too many end with what they
   * have in hand. A server that is started again has as many as its program says.
   *
   * @param workers How many each pool is to have, from 1 to 1000.
   * @param target Which servers are told.
   * @throws {RangeError} If `workers` is out of its bounds.
   */
  async scale(workers: number, target: ControlTarget): Promise<Answer<ServerChange>[]> {
    checkInteger("ask", { workers }, { min: 1, max: 1_000 });
    return await this.#ask<ServerChange>("scale", target, { workers });
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** The same as {@linkcode RpcControl.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask<T extends ServerIdentity>(
    verb: ReadingVerb | ChangingVerb,
    target: ControlTarget,
    body: Readonly<Record<string, unknown>> = {},
  ): Promise<Answer<T>[]> {
    checkTarget(target);
    const { queue, server, timeoutMs = this.#timeoutMs } = target;
    const { expect = server === undefined ? Infinity : 1 } = target;
    const session = await this.#connection.whenOpen();
    const question = { verb, queue, server, body, user: isChanging(verb) ? this.#user : undefined };
    const answers = await session.ask(question, { expect, timeoutMs });
    // Each has been read as an answer to this question: whoever may serve the queue may say anything.
    return answers as unknown as Answer<T>[];
  }
}

/** What a {@linkcode RpcControl} is made of. */
interface ControlParts {
  readonly connection: Connection<ControlSession>;
  readonly timeoutMs: number;
  readonly user: string | undefined;
}

const TIMEOUT_BOUNDS = { min: 1, max: 2 ** 31 - 1 };

function checkTarget(target: ControlTarget): void {
  checkType("ask", { target: target ?? null }, "object");
  const { queue, server, expect, timeoutMs } = target;
  if (queue !== undefined) checkName("ask", { queue });
  if (server !== undefined) checkName("ask", { server });
  checkInteger("ask", { expect }, { min: 1 });
  checkInteger("ask", { timeoutMs }, TIMEOUT_BOUNDS);
}

function tell(onConnection: RpcControlOptions["onConnection"], type: string): void {
  if (type !== "connected" && type !== "disconnected") return;
  try {
    onConnection?.(type);
  } catch {
    // An observer changes nothing.
  }
}
