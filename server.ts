/**
 * The serving side: procedures that are called through a RabbitMQ queue.
 *
 * @module
 */

import { RpcConnection, settingsOf } from "./connection.ts";
import type { BrokerUrl } from "./options/connect_options.ts";
import type { AnyHandlers, Contract, Handlers, Servable } from "./contract.ts";
import type { RpcState } from "./options/events.ts";
import type {
  RpcServerCloseOptions,
  RpcServerOptions,
  RpcServerStats,
} from "./options/server_options.ts";
import { withOpenerStack } from "./internal/caller_stack.ts";
import { checkOptions, readGraceMs } from "./internal/check.ts";
import {
  type ConnectSettings,
  nameProgram,
  resolveConnectOptions,
} from "./internal/broker/connect_settings.ts";
import { ofQueue, optionsByQueue } from "./internal/queues/options_by_queue.ts";
import { ServedQueue } from "./internal/queues/served_queue.ts";
import { ServerLife } from "./internal/server_life.ts";

/**
 * Serves procedures from a queue, or from several.
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
  readonly #queues: readonly ServedQueue[];
  readonly #options: RpcServerOptions;
  readonly #life: ServerLife;
  /** The connection of all queues, if there are several and none was given. */
  #connection: RpcConnection | undefined;
  #closing: Promise<void> | undefined;
  /** Only a mark for the compiler; never set: what `ClientOf` reads. */
  declare readonly "~contract": C;

  private constructor(options: RpcServerOptions) {
    checkOptions("listen", options);
    this.#options = options;
    const all = optionsByQueue(options);
    this.#life = new ServerLife(this, options, all.map(({ queue }) => queue));
    this.#queues = all.map((each) => this.#check(each));
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
    await using stack = new AsyncDisposableStack();
    // close() never rejects with such a grace.
    stack.defer(() => server.#disconnect(0));
    try {
      const settings = await server.#connect(place);
      stack.defer(() => server.#life.ignoreSignals());
      server.#life.watchSignals();
      for (const queue of server.#queues) await queue.open(settings);
    } catch (error) {
      throw withOpenerStack(error);
    }
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

  /**
   * Counts requests.
   *
   * @param queue One of its queues; by default those of all are counted.
   * @throws {RangeError} If it does not serve that queue.
   */
  stats(queue?: string): RpcServerStats {
    if (queue === undefined) return this.#queues.map((each) => each.stats()).reduce(sumOf);
    const served = this.#queues.find(({ name }) => name === queue);
    if (served !== undefined) return served.stats();
    throw new RangeError(`Cannot count requests as the server has no such queue: "${queue}"`);
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
    return this.#othersServed(graceMs) ?? this.#closing;
  }

  /** Closes the server with the default grace. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Of a queue beside the main one, an error says which it is. */
  #check(options: RpcServerOptions): ServedQueue {
    try {
      return this.#serve(options);
    } catch (error) {
      throw options === this.#options ? error : ofQueue(options.queue, error);
    }
  }

  #serve(options: RpcServerOptions): ServedQueue {
    const { queue } = options;
    const life = this.#life;
    const served = new ServedQueue(options, {
      ...life.toldOf(queue),
      onConnection: (role, event) => life.onConnection(role, event, queue),
      onPaused: () => this.#tellPaused(),
      onDrain: (graceMs) => {
        // A queue that is drained leaves the others alone; with the last one the server ends.
        const isLast = this.#queues.every((each) => each === served || each.isClosing);
        // Neither rejects with such a grace.
        void (isLast ? this.close({ graceMs }) : served.close(graceMs));
        this.#tellPaused();
      },
    });
    return served;
  }

  /** A server is paused if all its queues are, but for those that are drained. */
  #tellPaused(): void {
    const left = this.#queues.filter(({ isClosing }) => !isClosing);
    this.#life.setPaused(left.length > 0 && left.every(({ isPaused }) => isPaused));
  }

  /** Several queues share one connection, for which each has channels of its own. */
  async #connect(place: BrokerUrl | RpcConnection): Promise<ConnectSettings> {
    const { queue, connectionName = nameProgram(`${queue} server`) } = this.#options;
    const isOwn = !(place instanceof RpcConnection);
    if (!isOwn || this.#queues.length === 1) {
      return resolveConnectOptions(settingsOf(place), this.#options, `${queue} server`);
    }
    this.#connection = await RpcConnection.open(place, { ...this.#options, connectionName });
    return resolveConnectOptions(settingsOf(this.#connection), {}, "");
  }

  /** For a handler that waits for the end of its server, all of whose queues end for it. */
  #othersServed(graceMs: number): Promise<void> | undefined {
    for (const queue of this.#queues) {
      const served = queue.othersServed(graceMs);
      if (served === undefined) continue;
      const others = this.#queues.filter((each) => each !== queue);
      return Promise.all([served, ...others.map((each) => each.close(graceMs))]).then(() => {});
    }
    return undefined;
  }

  async #close(graceMs: number): Promise<void> {
    this.#life.drain();
    await this.#disconnect(graceMs);
    this.#life.end();
  }

  async #disconnect(graceMs: number): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close(graceMs)));
    await this.#connection?.close();
  }
}

function sumOf(one: RpcServerStats, other: RpcServerStats): RpcServerStats {
  return {
    active: one.active + other.active,
    succeeded: one.succeeded + other.succeeded,
    failed: one.failed + other.failed,
    orphaned: one.orphaned + other.orphaned,
    expired: one.expired + other.expired,
    cancelled: one.cancelled + other.cancelled,
    crashed: one.crashed + other.crashed,
    unpublished: one.unpublished + other.unpublished,
    replyToRefused: one.replyToRefused + other.replyToRefused,
    parked: one.parked + other.parked,
    reused: one.reused + other.reused,
  };
}
