/**
 * A connection that heals: keeps a session (channels, queues, consumers) on the broker and makes a
 * new one, on a new connection, whenever the old one ends.
 *
 * @module
 */

import { RpcError } from "../../errors.ts";
import type { ConnectionEvent } from "../../options/events.ts";
import type { BrokerNode } from "../../options/interceptors.ts";
import type { AmqpChannel, AmqpLink } from "./amqp.ts";
import { amqpCodeOf } from "./amqp_error.ts";
import { toPrintable } from "../text.ts";
import {
  abortable,
  backoffMs,
  type BackoffOptions,
  sleep,
  TimeLimitError,
  withTimeout,
} from "../time.ts";
import {
  type AmqpNode,
  type AmqpSource,
  type AmqpSourceOptions,
  type AmqpSources,
  OwnConnections,
} from "./amqp_source.ts";
import { BACKOFF, isRefusal, refusedBackoffMs, whenReachable } from "./broker_nodes.ts";
import { explainConnectError, SetUpLimitError } from "./connect_error.ts";

/** What lives on one connection and dies with it. */
export interface Session {
  /** When one of them closes, the session is over. */
  readonly channels: readonly SessionChannel[];
}

/** A channel, or what stands for a channel that is replaced at times. */
export type SessionChannel = Pick<AmqpChannel, "isOpen" | "closed" | "close">;

/** Options of {@linkcode Connection.open}. */
export interface ConnectionOptions<S extends Session> extends AmqpSourceOptions {
  /** Give shares of a connection instead of connections of its own. */
  readonly sources?: AmqpSources;
  /** Which of them; clients use that which publishes for all. */
  readonly role?: keyof AmqpSources;
  /** How long a broker that cannot be reached is waited for at first. */
  readonly waitForBrokerMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Opens channels, declares queues and starts consumers on a fresh connection. */
  readonly setUp: (connection: AmqpLink, broker: BrokerNode) => Promise<S>;
  /** Takes over a new session; runs before the `connected` event. */
  readonly onSession: (session: S) => void;
  readonly onEvent: (event: ConnectionEvent) => void;
}

/** A session and the connection that it lives on. */
interface Opened<S> {
  readonly amqp: AmqpLink;
  readonly session: S;
}

/** `retired` is open, but will have no other session; a `closed` one may have a reason that it failed. */
type State<S> =
  | { readonly name: "connecting" }
  | { readonly name: "open" } & Opened<S>
  | { readonly name: "retired" } & Opened<S>
  | { readonly name: "closed"; readonly reason?: RpcError };

/** The other nodes of a cluster are up when one is lost, so the first attempt waits for nothing. */
const NEXT_NODE_BACKOFF: BackoffOptions = { firstMs: 80, maxMs: 80, minMs: 10 };

/** A session that lived as long was none that the broker refuses, in milliseconds. */
const LASTING_MS = 30_000;

/** How often a broker that lets us in may fail to set a session up. */
const MAX_SET_UPS = 3;

/** Keeps one session alive until it is closed. */
export class Connection<S extends Session> {
  readonly #options: ConnectionOptions<S>;
  readonly #closing = new AbortController();
  #state: State<S> = { name: "connecting" };
  #opening: PromiseWithResolvers<S> | undefined;
  #keeping: Promise<void> = Promise.resolve();
  /** How often the broker has refused us, in a row. */
  #refusals = 0;
  readonly #source: AmqpSource;

  private constructor(options: ConnectionOptions<S>) {
    this.#options = options;
    const { sources, role = "publisher" } = options;
    this.#source = sources?.[role] ?? new OwnConnections(options);
  }

  /**
   * Connects, as soon as the broker can be reached, and sets the first session up.
   *
   * @throws {RpcError} `unreachable`, `access-refused` or `misconfigured`.
   */
  static async open<S extends Session>(options: ConnectionOptions<S>): Promise<Connection<S>> {
    const { signal } = options;
    signal?.throwIfAborted();
    const connection = new Connection(options);
    try {
      await abortable(connection.#connectFirst(), signal);
    } catch (error) {
      // An attempt that nobody waits for any more finds the connection closed when it succeeds all the same.
      await connection.close();
      throw error;
    }
    connection.#keeping = connection.#keep();
    return connection;
  }

  /** The session, if there is one at this moment. */
  get session(): S | undefined {
    const state = this.#state;
    if (state.name !== "open" && state.name !== "retired") return undefined;
    // A channel closes some time before the state follows; who tries again must not find it here.
    const { session } = state;
    return session.channels.every((channel) => channel.isOpen) ? session : undefined;
  }

  /**
   * Waits for a session.
   *
   * @throws {RpcError} `closed`, if the connection is closed or closes before there is one.
   */
  whenOpen(): Promise<S> {
    const { session } = this;
    if (session !== undefined) return Promise.resolve(session);
    if (this.#state.name === "closed") return Promise.reject(closedError(this.#state.reason));
    return (this.#opening ??= Promise.withResolvers<S>()).promise;
  }

  /** Keeps the session for as long as it lives, but makes no other. */
  retire(): void {
    const state = this.#state;
    if (state.name === "open") this.#state = { ...state, name: "retired" };
    else if (state.name === "connecting") this.#end();
    this.#closing.abort();
  }

  /** Closes the session's channels, so that all they have to send is sent, then the connection. */
  async close(): Promise<void> {
    const state = this.#state;
    if (state.name !== "closed") this.#end();
    this.#closing.abort();
    if (state.name === "open" || state.name === "retired") await closeSession(state);
    await this.#keeping;
  }

  /** Waits for each session to end and replaces it. Never rejects. */
  async #keep(): Promise<void> {
    for (let state = this.#state; state.name === "open"; state = this.#state) {
      const start = performance.now();
      const error = await sessionEnd(state);
      if (this.#isOver()) return;
      const isRefused = amqpCodeOf(error) === 403;
      // Who is let in, and soon refused once more, is not to try again at once each time.
      if (!isRefused || performance.now() - start > LASTING_MS) this.#refusals = 0;
      await this.#replace(state, isRefused ? refusedError(error) : error);
    }
  }

  async #replace(ended: Opened<S>, lost: Error): Promise<void> {
    this.#state = { name: "connecting" };
    this.#options.onEvent({ type: "disconnected", error: lost });
    // A channel alone may have closed; its connection goes too, so that there is one way to heal.
    await ended.amqp.close();
    let error = lost;
    for (let attempt = 1; !this.#isOver(); attempt++) {
      const delayMs = this.#delayMs(attempt, error);
      this.#options.onEvent({ type: "reconnecting", attempt, delayMs, error });
      await sleep(delayMs, this.#closing.signal);
      if (this.#isOver()) return;
      try {
        return await this.#connect();
      } catch (thrown) {
        error = thrown instanceof Error ? thrown : new Error(String(thrown));
        // Whoever was let in before may be let in again; but not over a connection that is closed.
        if (error instanceof RpcError && error.code === "closed") return this.#fail(error);
      }
    }
  }

  #delayMs(attempt: number, error: Error): number {
    if (isRefusal(error)) return refusedBackoffMs(++this.#refusals);
    this.#refusals = 0;
    const hasOthers = attempt === 1 && this.#source.areSeveral;
    return backoffMs(attempt, hasOthers ? NEXT_NODE_BACKOFF : BACKOFF);
  }

  /** Ends it for good. */
  #fail(reason: RpcError): void {
    if (this.#state.name === "closed") return;
    this.#end(reason);
    this.#options.onEvent({ type: "failed", error: reason });
  }

  #end(reason?: RpcError): void {
    this.#state = { name: "closed", ...(reason && { reason }) };
    this.#opening?.reject(closedError(reason));
  }

  #connectFirst(): Promise<void> {
    const { waitForBrokerMs, onEvent } = this.#options;
    return whenReachable(() => this.#connect(), {
      waitForBrokerMs,
      onPause: (attempt, delayMs, error) => {
        onEvent({ type: "reconnecting", attempt, delayMs, error });
      },
      signal: this.#closing.signal,
    });
  }

  #connect(): Promise<void> {
    return this.#source.tryEach((node) => this.#connectTo(node), () => this.#isOver());
  }

  async #connectTo(node: AmqpNode): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const amqp = await node.open(this.#closing.signal);
      try {
        const { hostname, port } = node.address;
        return await this.#begin(amqp, { hostname, port });
      } catch (error) {
        await amqp.close();
        const isFinal = error instanceof RpcError && !error.retryable;
        const isLast = isFinal || attempt === MAX_SET_UPS || this.#isOver();
        if (isLast || !await hasFailed(amqp)) {
          throw error instanceof RpcError ? error : explainConnectError(error, node.address);
        }
      }
      await sleep(backoffMs(attempt, BACKOFF), this.#closing.signal);
    }
  }

  async #begin(amqp: AmqpLink, broker: BrokerNode): Promise<void> {
    const { onEvent, setUp, onSession, connectTimeoutMs } = this.#options;
    amqp.onBlocked = (reason) => onEvent({ type: "blocked", reason: toPrintable(reason) });
    amqp.onUnblocked = () => onEvent({ type: "unblocked" });
    // A cluster that has lost too many nodes takes requests and never answers them.
    const settingUp = withTimeout(connectTimeoutMs, () => setUp(amqp, broker));
    const session = await abortable(settingUp, this.#closing.signal)
      .catch((error: unknown) => {
        if (!(error instanceof TimeLimitError)) throw error;
        // Those who share the connection are no better off.
        amqp.destroy(error);
        throw new SetUpLimitError(error);
      });
    if (this.#isOver()) return await amqp.close();
    this.#state = { name: "open", amqp, session };
    this.#opening?.resolve(session);
    this.#opening = undefined;
    onSession(session);
    onEvent({ type: "connected" });
  }

  /** Whether no further session is wanted. */
  #isOver(): boolean {
    return this.#state.name === "retired" || this.#state.name === "closed";
  }
}

/**
 * Whether the broker has closed the connection for a fault of its own (541). It does so to whoever
 * consumes a quorum queue that another server is just declaring, as servers do that start together.
 */
async function hasFailed(amqp: AmqpLink): Promise<boolean> {
  return amqpCodeOf(await amqp.endReason()) === 541;
}

function refusedError(cause: Error): RpcError {
  return new RpcError(
    "access-refused",
    `Cannot go on as the broker refuses it: ${toPrintable(cause.message)}: see docs/permissions.md`,
    { cause },
  );
}

function closedError(cause?: Error): RpcError {
  return new RpcError("closed", "Cannot use the connection to the broker as it is closed", {
    cause,
  });
}

/** Waits until the connection or one of the session's channels closes; tells the reason. */
async function sessionEnd<S extends Session>({ amqp, session }: Opened<S>): Promise<Error> {
  const ends = [amqp.closed, ...session.channels.map((channel) => channel.closed)];
  const reasons: Error[] = [];
  for (const end of ends) end.then((reason) => reason && reasons.push(reason));
  await Promise.race(ends);
  // Channels close just before their connection does, and only the connection knows why.
  await sleep(0);
  return reasons[0] ?? new Error("Cannot keep the connection as the broker closed it");
}

async function closeSession<S extends Session>({ amqp, session }: Opened<S>): Promise<void> {
  // Closing a connection drops what its channels have not sent yet; closing a channel does not.
  await Promise.all(session.channels.map((channel) => channel.close()));
  await amqp.close();
}
