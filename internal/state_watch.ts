/** What a client or a server is at, by what its connections tell. @module */

import { RpcError } from "../errors.ts";
import type { ConnectionEvent, RpcClientEvent, RpcState } from "../options/events.ts";

/** A state that a client or a server comes to of its own accord. */
type Ending = Extract<RpcState["name"], "draining" | "failed" | "closed">;

/** What is wrong with a connection, if anything is. */
interface Trouble {
  readonly name: Extract<RpcState["name"], "starting" | "reconnecting" | "blocked" | "paused">;
  readonly reason?: string;
}

/** The worst comes first: what cannot connect does not serve, blocked or not. */
const BY_WEIGHT = ["starting", "reconnecting", "blocked", "paused"] as const;

/** No connection, but who has the right to pause a server. */
const ADMINISTRATOR = "administrator";

/**
 * Watches over one or more connections.
 *
 * @typeParam Working What it is called if nothing is wrong.
 */
export class StateWatch<Working extends "serving" | "connected"> {
  readonly #working: Working;
  readonly #troubles: Map<string, Trouble>;
  readonly #onChange: (state: RpcState<Working>) => void;
  readonly #finished = Promise.withResolvers<void>();
  #ending: Ending | undefined;
  #state: RpcState<Working> = { name: "starting", since: new Date() };

  /**
   * Makes a watch that is starting.
   *
   * @param working What it is called if nothing is wrong.
   * @param connections The names of the connections that it takes.
   * @param onChange Told of each other state, and of each other reason.
   */
  constructor(
    working: Working,
    connections: readonly string[],
    onChange: (state: RpcState<Working>) => void = () => {},
  ) {
    this.#working = working;
    this.#troubles = new Map(connections.map((name) => [name, { name: "starting" }]));
    this.#onChange = onChange;
    // Nobody has to wait for it: what is wrong is also an event and a state.
    this.#finished.promise.catch(() => {});
  }

  /** The state at this moment. */
  get state(): RpcState<Working> {
    return this.#state;
  }

  /** What is wrong with a connection now, such as `reconnecting: …`, if anything is. */
  get trouble(): string | undefined {
    const { name, reason } = this.#state;
    return name === "reconnecting" || name === "blocked" ? `${name}: ${reason}` : undefined;
  }

  /** Resolves when it is closed; rejects when it has failed. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Takes what happened to a connection; other events are none of its business. */
  observe(connection: string, event: ConnectionEvent | RpcClientEvent): void {
    switch (event.type) {
      case "connected":
      case "unblocked":
        this.#troubles.delete(connection);
        return this.#update();
      case "disconnected":
      case "reconnecting":
        // Whoever has never been connected goes on starting.
        if (this.#troubles.get(connection)?.name === "starting") return;
        this.#troubles.set(connection, { name: "reconnecting", reason: event.error.message });
        return this.#update();
      case "blocked":
        this.#troubles.set(connection, { name: "blocked", reason: event.reason });
        return this.#update();
      case "failed":
        return this.#fail(event.error);
    }
  }

  /** An administrator has told it to take nothing, or to go on. */
  setPaused(isPaused: boolean): void {
    if (isPaused) this.#troubles.set(ADMINISTRATOR, { name: "paused" });
    else this.#troubles.delete(ADMINISTRATOR);
    this.#update();
  }

  /** It takes nothing more, and finishes what it has in hand. */
  drain(): void {
    if (this.#ending === undefined) this.#end("draining");
  }

  /** It drains until it is closed. */
  async closing(closed: Promise<void>): Promise<void> {
    this.drain();
    await closed;
    this.close();
  }

  /** It is over. */
  close(): void {
    if (this.#ending === "draining") this.#end("closed");
    this.#finished.resolve();
  }

  #fail(error: RpcError): void {
    if (this.#ending !== undefined) return;
    this.#end("failed", error.message);
    this.#finished.reject(new RpcError(error.code, error.message, { cause: error }));
  }

  #end(ending: Ending, reason?: string): void {
    this.#ending = ending;
    this.#set(ending, reason);
  }

  #update(): void {
    if (this.#ending !== undefined) return;
    const troubles = [...this.#troubles.values()];
    const worst = BY_WEIGHT.map((name) => troubles.find((trouble) => trouble.name === name))
      .find((trouble) => trouble !== undefined);
    if (worst?.name === "starting") return;
    this.#set(worst?.name ?? this.#working, worst?.reason);
  }

  #set(name: RpcState<Working>["name"], reason: string | undefined): void {
    const before = this.#state;
    if (before.name === name && before.reason === reason) return;
    const since = before.name === name ? before.since : new Date();
    this.#state = Object.freeze({ name, since, ...(reason !== undefined && { reason }) });
    this.#onChange(this.#state);
  }
}
