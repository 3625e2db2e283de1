/**
 * One connection to the broker that clients and servers share.
 *
 * @module
 */

import type { BrokerUrl, ConnectOptions } from "./options/connect_options.ts";
import { SharedConnection } from "./internal/broker/amqp_source.ts";
import { whenReachable } from "./internal/broker/broker_nodes.ts";
import {
  type ConnectSettings,
  nameProgram,
  resolveConnectOptions,
} from "./internal/broker/connect_settings.ts";
import { withOpenerStack } from "./internal/caller_stack.ts";
import { abortable } from "./internal/time.ts";

let readSettings: (connection: RpcConnection) => ConnectSettings;

/**
 * A connection for many clients and servers: two sockets for all of them. One publishes, requests as
 * well as replies, and brings clients their replies; the other, which is opened for the first server,
 * takes requests.
 *
 * - A client or server that closes leaves it open. Close it when they are closed.
 * - If it is lost, or a node of a cluster is, it heals for all of them at once.
 * - The broker's flow control is per connection: if one client publishes more than the broker can
 *   take, the others wait with it, and so do replies.
 *
 * @example One connection
 * ```ts ignore because it needs a broker
 * import { RpcClient, RpcConnection, RpcServer } from "@warren/rpc";
 *
 * await using connection = await RpcConnection.open("amqp://127.0.0.1");
 * const handlers = { greet: (name: string) => `Hello, ${name}` };
 * await using server = await RpcServer.listen(connection, { queue: "greetings", handlers });
 * await using client = await RpcClient.connect(connection, { queue: "greetings" });
 * ```
 */
export class RpcConnection implements AsyncDisposable {
  readonly #settings: ConnectSettings;
  readonly #publisher: SharedConnection;
  readonly #consumer: SharedConnection;
  #closing: Promise<void> | undefined;

  static {
    readSettings = (connection) => connection.#settings;
  }

  private constructor(settings: ConnectSettings, connectionName: string | undefined) {
    const named = (role: string) => ({
      ...settings,
      connectionName: connectionName ?? nameProgram(`shared/${role}`),
    });
    this.#publisher = new SharedConnection(named("publisher"));
    this.#consumer = new SharedConnection(named("consumer"));
    const sources = { publisher: this.#publisher, consumer: this.#consumer };
    this.#settings = { ...settings, waitForBrokerMs: 0, sources };
  }

  /**
   * Connects to the broker.
   *
   * @param url The broker's URL, or the URLs of a cluster's nodes.
   * @param options How to connect, for all that share it.
   * @returns A connection, for {@linkcode RpcClient.connect} and {@linkcode RpcServer.listen}.
   * @throws {TypeError} If the URL or an option cannot be used.
   * @throws {RangeError} If a number is out of its bounds.
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`; the message names the
   * broker and the next step.
   */
  static async open(url: BrokerUrl, options: ConnectOptions = {}): Promise<RpcConnection> {
    const settings = resolveConnectOptions(url, options, "shared");
    const { signal, waitForBrokerMs } = settings;
    signal?.throwIfAborted();
    const connection = new RpcConnection(settings, options.connectionName);
    try {
      await abortable(connection.#connect(waitForBrokerMs, signal), signal);
      return connection;
    } catch (error) {
      await connection.close();
      throw withOpenerStack(error);
    }
  }

  /** Closes both sockets. Clients and servers that still use them end: close those before. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #connect(waitForBrokerMs: number, signal: AbortSignal | undefined): Promise<void> {
    await whenReachable(() => this.#publisher.connect(), {
      waitForBrokerMs,
      onPause: () => {},
      signal: signal ?? new AbortController().signal,
    });
  }

  async #close(): Promise<void> {
    await Promise.all([this.#publisher.close(), this.#consumer.close()]);
  }
}

/** What clients and servers connect with that share a connection, or have one of their own. */
export function settingsOf(place: BrokerUrl | RpcConnection): BrokerUrl | ConnectSettings {
  return place instanceof RpcConnection ? readSettings(place) : place;
}
