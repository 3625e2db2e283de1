/** Where sessions get their connections from: each its own, or shares of one. @module */

import { RpcError } from "../../errors.ts";
import { AmqpConnection, type AmqpConnectionOptions, type AmqpLink } from "./amqp.ts";
import { type BrokerAddress, describeAddress } from "./broker_address.ts";
import { BACKOFF, BrokerNodes, isRefusal, refusedBackoffMs } from "./broker_nodes.ts";
import { explainConnectError } from "./connect_error.ts";
import { AmqpShare } from "./amqp_share.ts";
import { type AskCredentials, askCredentials, keepCredentials } from "./login/credentials.ts";
import { abortable, backoffMs, sleep } from "../time.ts";

/** A node of the broker that a connection can be had to. */
export interface AmqpNode {
  /** Where it is, as far as is known. */
  readonly address: BrokerAddress;
  /**
   * Connects.
   *
   * @param signal Gives it up.
   * @throws {RpcError} Why it cannot.
   */
  open(signal: AbortSignal): Promise<AmqpLink>;
}

/** Gives connections to sessions. */
export interface AmqpSource {
  /** Whether there is another node at once when one is lost. */
  readonly areSeveral: boolean;
  /**
   * Tries each node once, until one does.
   *
   * @param use What to do at a node.
   * @param isFinal Whether no other node is to be tried after an error.
   */
  tryEach<Result>(
    use: (node: AmqpNode) => Promise<Result>,
    isFinal: (error: unknown) => boolean,
  ): Promise<Result>;
}

/** Those of a connection that many share. */
export interface AmqpSources {
  /** Publishes, and brings clients their replies. */
  readonly publisher: AmqpSource;
  /** Takes requests. */
  readonly consumer: AmqpSource;
}

/** What it takes to connect to one node. */
interface LoginOptions extends AmqpConnectionOptions {
  /** Asked at each connect; absent if the URL says it all. */
  readonly credentials?: AskCredentials | undefined;
}

/** What it takes to connect. */
export interface AmqpSourceOptions extends LoginOptions {
  /** The broker's nodes, tried in turn. */
  readonly addresses: readonly BrokerAddress[];
}

/** Makes a connection for each session. */
export class OwnConnections implements AmqpSource {
  readonly #options: AmqpSourceOptions;
  readonly #nodes: BrokerNodes;

  constructor(options: AmqpSourceOptions) {
    this.#options = options;
    this.#nodes = new BrokerNodes(options.addresses);
  }

  get areSeveral(): boolean {
    return this.#nodes.areSeveral;
  }

  tryEach<Result>(
    use: (node: AmqpNode) => Promise<Result>,
    isFinal: (error: unknown) => boolean,
  ): Promise<Result> {
    return this.#nodes.tryEach(
      (address) =>
        use({ address, open: (signal) => openAt(address, { ...this.#options, signal }) }),
      isFinal,
    );
  }
}

/** A connection, and where it goes. */
interface Opened {
  readonly amqp: AmqpConnection;
  readonly address: BrokerAddress;
}

/**
 * Gives shares of one connection: it is opened when a session needs it, and again after it was
 * lost. Sessions that need it at the same time wait for the same attempt.
 */
export class SharedConnection implements AmqpSource {
  readonly #options: AmqpSourceOptions;
  readonly #nodes: BrokerNodes;
  readonly #shares = new Set<AmqpShare>();
  readonly #closing = new AbortController();
  #current: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  #failures = 0;
  /** When to try again, on the clock of `performance.now()`. */
  #nextAt = 0;

  constructor(options: AmqpSourceOptions) {
    this.#options = options;
    this.#nodes = new BrokerNodes(options.addresses);
  }

  get areSeveral(): boolean {
    return this.#nodes.areSeveral;
  }

  tryEach<Result>(use: (node: AmqpNode) => Promise<Result>): Promise<Result> {
    const [first] = this.#options.addresses;
    const address = this.#current?.address ?? first;
    if (address === undefined) {
      return Promise.reject(new Error("Cannot connect as no node is known"));
    }
    return use({ address, open: (signal) => this.#share(signal) });
  }

  /**
   * Connects, unless it is connected.
   *
   * @throws {RpcError} `closed`, or why the broker cannot be reached.
   */
  connect(): Promise<Opened> {
    if (this.#closing.signal.aborted) return Promise.reject(closedError());
    if (this.#current !== undefined) return Promise.resolve(this.#current);
    return this.#opening ??= this.#open().finally(() => this.#opening = undefined);
  }

  /** Closes the connection, and makes no other. Sessions that use it end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#opening?.catch(() => {});
    await this.#current?.amqp.close();
  }

  async #share(signal: AbortSignal): Promise<AmqpLink> {
    const { amqp } = await abortable(this.connect(), signal);
    const share: AmqpShare = new AmqpShare(amqp, () => this.#shares.delete(share));
    this.#shares.add(share);
    return share;
  }

  async #open(): Promise<Opened> {
    const { signal } = this.#closing;
    // Many sessions that try again, each after a pause of its own, are no reason to try more often.
    await sleep(Math.max(0, this.#nextAt - performance.now()), signal);
    try {
      const opened = await this.#nodes.tryEach(
        async (address) => ({ amqp: await openAt(address, { ...this.#options, signal }), address }),
        () => signal.aborted,
      );
      this.#failures = 0;
      return await this.#takeOver(opened);
    } catch (error) {
      const failures = ++this.#failures;
      const isRefused = isRefusal(error);
      const pauseMs = isRefused ? refusedBackoffMs(failures) : backoffMs(failures, BACKOFF);
      this.#nextAt = performance.now() + pauseMs;
      throw error;
    }
  }

  async #takeOver(opened: Opened): Promise<Opened> {
    const { amqp } = opened;
    if (this.#closing.signal.aborted) {
      await amqp.close();
      throw closedError();
    }
    this.#current = opened;
    amqp.onBlocked = (reason) => this.#shares.forEach((share) => share.onBlocked(reason));
    amqp.onUnblocked = () => this.#shares.forEach((share) => share.onUnblocked());
    void amqp.closed.then((error) => {
      if (this.#current === opened) this.#current = undefined;
      for (const share of this.#shares) share.end(error);
      this.#shares.clear();
    });
    return opened;
  }
}

function closedError(): RpcError {
  return new RpcError("closed", "Cannot use the shared connection as it is closed");
}

async function openAt(
  address: BrokerAddress,
  options: LoginOptions,
): Promise<AmqpConnection> {
  const place = describeAddress(address);
  const asked = { ...address, place, limitMs: options.connectTimeoutMs };
  const ask = () => askCredentials(options.credentials, asked);
  const known = await ask();
  const { username, password } = known;
  const login = { ...address, username, password };
  try {
    const connection = await AmqpConnection.open(login, options);
    // It never rejects.
    void keepCredentials(connection, known, ask);
    return connection;
  } catch (error) {
    throw explainConnectError(error, login);
  }
}
