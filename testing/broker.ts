/** The test broker: what a test starts, looks at and closes. @module */

import { createServer, type Server, type Socket } from "node:net";
import {
  type BrokerLimits,
  checkBrokerOptions,
  DEFAULT_LIMITS,
  DEFAULT_USERS,
  type TestBrokerOptions,
} from "./broker_options.ts";
import { SystemClock } from "./clock.ts";
import { ControlServer } from "./control/control_server.ts";
import { Faults } from "./faults.ts";
import { MethodLog } from "./method_log.ts";
import { checkUser, User, type UserOptions } from "./model/users.ts";
import { VirtualHost } from "./model/virtual_host.ts";
import { rulesOf } from "./model/version_rules.ts";
import type { BrokerContext } from "./session/broker_context.ts";
import { Connection } from "./session/connection.ts";
import { SocketTransport } from "./session/socket_transport.ts";
import { AmqpError } from "./wire/amqp_error.ts";

/** What is known of a queue. */
export interface QueueInfo {
  /** The name. */
  readonly name: string;
  /** The messages that wait for a consumer. */
  readonly messages: number;
  /** The messages that were delivered and not settled. */
  readonly unacked: number;
  /** The number of consumers. */
  readonly consumers: number;
}

/** What is known of a connection. */
export interface ConnectionInfo {
  /** Its number in the log. */
  readonly number: number;
  /** The name that the client has given it (`connection_name`), if it has. */
  readonly name: string | undefined;
  /** Who logged in, or `undefined` before that. */
  readonly user: string | undefined;
  /** The virtual host that was opened, or `undefined` before that. */
  readonly virtualHost: string | undefined;
  /** The number of channels. */
  readonly channels: number;
}

/**
 * An in-memory AMQP 0-9-1 broker for development and tests, on a loopback TCP port.
 *
 * @example Test against a broker of one's own
 * ```ts
 * import { TestBroker } from "@warren/rpc/testing";
 *
 * await using broker = await TestBroker.start();
 * console.log(broker.url);
 * ```
 */
export class TestBroker implements AsyncDisposable {
  /** Faults to be injected. */
  readonly faults: Faults;
  /** The methods that went over the wire. */
  readonly log: MethodLog;
  readonly #options: TestBrokerOptions;
  readonly #limits: BrokerLimits;
  readonly #context: BrokerContext;
  readonly #users = new Map<string, User>();
  readonly #virtualHosts = new Map<string, VirtualHost>();
  readonly #connections = new Set<Connection>();
  /** Sockets outlive their connections when the peer keeps its side open. */
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port: number;
  #connectionCount = 0;
  #storedBytes = 0;
  #alarm: string | undefined;
  #isMemoryLow = false;
  #control: ControlServer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: TestBrokerOptions) {
    const { port = 0, compat = "3.10", heartbeatSeconds = 60, logCapacity = 10_000 } = options;
    this.#options = options;
    this.#port = port;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.faults = new Faults((reason) => this.#setAlarm(reason));
    this.log = new MethodLog(logCapacity);
    const blockedReason = (): string | undefined => this.#blockedReason;
    const rules = rulesOf(compat);
    this.#context = {
      rules,
      frameMax: options.frameMax ?? 131_072,
      maxMessageBytes: options.maxMessageBytes ?? rules.maxMessageBytes,
      consumerTimeoutMs: options.consumerTimeoutMs ?? 1_800_000,
      heartbeatSeconds,
      limits: this.#limits,
      clock: options.clock ?? new SystemClock(),
      faults: this.faults,
      log: this.log,
      get blockedReason(): string | undefined {
        return blockedReason();
      },
      findUser: (name) => this.#users.get(name),
      findVirtualHost: (name) => this.#virtualHosts.get(name),
    };
    this.#addUsers();
  }

  /**
   * Starts a broker.
   *
   * @throws {RangeError} If a number among the options is out of its bounds.
   * @throws {TypeError} If an option is not of its type, or a permission no regular expression.
   * @throws {Error} If the port is taken.
   */
  static async start(options: TestBrokerOptions = {}): Promise<TestBroker> {
    checkBrokerOptions(options);
    const broker = new TestBroker(options);
    await broker.startApp();
    try {
      broker.#startControl(options.controlPort);
    } catch (error) {
      await broker.close();
      throw error;
    }
    return broker;
  }

  /** The TCP port. */
  get port(): number {
    return this.#port;
  }

  /** The URL of the control interface, if the option `controlPort` asked for it. */
  get controlUrl(): string | undefined {
    return this.#control?.url;
  }

  /** The URL with the first user's name and password. */
  get url(): string {
    const { hostname = "127.0.0.1", users = DEFAULT_USERS } = this.#options;
    const [{ name, password } = { name: "", password: "" }] = users;
    const credentials = `${encodeURIComponent(name)}:${encodeURIComponent(password)}`;
    return `amqp://${credentials}@${hostname}:${this.#port}`;
  }

  /** The number of open connections. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Returns what is known of the queues of a virtual host. */
  queues(virtualHost: string = "/"): QueueInfo[] {
    return [...this.#virtualHost(virtualHost).queues].map((queue) => ({
      name: queue.name,
      messages: queue.messageCount,
      unacked: queue.unackedCount,
      consumers: queue.consumers.length,
    }));
  }

  /** Returns the names of the users. */
  users(): string[] {
    return [...this.#users.keys()];
  }

  /**
   * Adds a user, or changes the password and the permissions of one.
   *
   * Connections that are open have the new permissions at once. Virtual hosts that the permissions
   * name are added.
   *
   * @throws {TypeError} If an option is not of its type, or a permission no regular expression.
   */
  setUser(options: UserOptions): void {
    checkUser("set user", options);
    const user = this.#users.get(options.name);
    if (user === undefined) this.#users.set(options.name, new User(options));
    else user.change(options);
    for (const name of Object.keys(options.permissions ?? {})) this.addVirtualHost(name);
  }

  /** Deletes a user and closes the user's connections, as RabbitMQ does. */
  deleteUser(name: string): void {
    if (!this.#users.delete(name)) return;
    for (const connection of this.#connections) {
      if (connection.session?.user.name !== name) continue;
      connection.close(new AmqpError("connection-forced", `user '${name}' was deleted`));
    }
  }

  /** Adds a virtual host, unless there is one of that name. */
  addVirtualHost(name: string): void {
    if (this.#virtualHosts.has(name)) return;
    const countBytes = (change: number): void => this.#countBytes(change);
    const { clock, rules } = this.#context;
    this.#virtualHosts.set(
      name,
      new VirtualHost({ name, clock, rules, limits: this.#limits, countBytes }),
    );
  }

  /** Cancels the consumers of a queue, as RabbitMQ does when a queue loses its node. */
  cancelConsumers(queue: string, virtualHost: string = "/"): void {
    for (const consumer of this.#virtualHost(virtualHost).queue(queue).cancelConsumers()) {
      consumer.sink.cancelled(consumer);
    }
  }

  /** Returns what is known of the open connections, oldest first. */
  connections(): ConnectionInfo[] {
    return [...this.#connections].map(({ number, clientName, session, channelCount }) => ({
      number,
      name: clientName,
      user: session?.user.name,
      virtualHost: session?.virtualHost.name,
      channels: channelCount,
    }));
  }

  /**
   * Closes connections with reply code 320, as `rabbitmqctl close_all_connections` does.
   *
   * @param reason What the clients are told.
   * @param connection The number of the only one to be closed; without it all are.
   */
  closeConnections(reason: string = "closed by the test", connection?: number): void {
    for (const one of this.#chosen(connection)) {
      one.close(new AmqpError("connection-forced", reason));
    }
  }

  /** Drops connections by a TCP reset: the one of a number, or all. */
  resetConnections(connection?: number): void {
    for (const one of this.#chosen(connection)) one.drop("reset");
  }

  /** Stops listening, drops connections and forgets what is not durable; see {@linkcode startApp}. */
  async stopApp(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.resetConnections();
    for (const socket of this.#sockets) socket.destroy();
    for (const virtualHost of this.#virtualHosts.values()) virtualHost.dropTransient();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** Listens again after {@linkcode stopApp}, on the same port, with what is durable. */
  async startApp(): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, this.#options.hostname ?? "127.0.0.1", () => resolve());
    });
    const address = server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
  }

  /** Restarts the broker: connections are reset, durable queues stay. */
  async restart(): Promise<void> {
    await this.stopApp();
    await this.startApp();
  }

  /** Ends the broker and everything that belongs to it. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Ends the broker, as {@linkcode close} does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#control?.close();
    await this.stopApp();
    // Deleted queues have no timers, so nothing keeps the process alive.
    for (const virtualHost of this.#virtualHosts.values()) {
      for (const queue of virtualHost.queues) virtualHost.deleteQueue(queue);
    }
  }

  #chosen(number: number | undefined): Connection[] {
    const all = [...this.#connections];
    return number === undefined ? all : all.filter((one) => one.number === number);
  }

  get #blockedReason(): string | undefined {
    return this.#alarm ?? (this.#isMemoryLow ? "low on memory" : undefined);
  }

  #addUsers(): void {
    const { users = DEFAULT_USERS, virtualHosts = [] } = this.#options;
    for (const options of users) this.#users.set(options.name, new User(options));
    const ofUsers = [...this.#users.values()].flatMap((user) => user.virtualHosts);
    for (const name of ["/", ...virtualHosts, ...ofUsers]) this.addVirtualHost(name);
  }

  #startControl(port: number | undefined): void {
    if (port === undefined) return;
    const { clock, rules: { compat } } = this.#context;
    this.#control = ControlServer.start({ broker: this, clock, compat }, port);
  }

  #accept(socket: Socket): void {
    const isFull = this.#sockets.size >= this.#limits.maxConnections;
    if (this.faults.refusesConnections || isFull) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    const transport = new SocketTransport(socket);
    const connection = new Connection({
      number: ++this.#connectionCount,
      context: this.#context,
      transport,
      onClosed: (closed) => this.#connections.delete(closed),
    });
    this.#connections.add(connection);
    transport.listen(connection);
    connection.start();
  }

  #virtualHost(name: string): VirtualHost {
    const virtualHost = this.#virtualHosts.get(name);
    if (virtualHost !== undefined) return virtualHost;
    throw new RangeError(`Cannot look into virtual host as there is none of that name: "${name}"`);
  }

  #setAlarm(reason: string | undefined): void {
    this.#alarm = reason;
    this.#unblockIfFree();
  }

  #countBytes(change: number): void {
    this.#storedBytes += change;
    const { maxMemoryBytes } = this.#limits;
    const wasLow = this.#isMemoryLow;
    this.#isMemoryLow = this.#storedBytes > maxMemoryBytes;
    if (wasLow && !this.#isMemoryLow) queueMicrotask(() => this.#unblockIfFree());
  }

  #unblockIfFree(): void {
    if (this.#blockedReason !== undefined) return;
    for (const connection of this.#connections) connection.unblock();
  }
}
