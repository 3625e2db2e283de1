/** A server from its start to its end: what it is at, who is told, and what ends it. @module */

import process from "node:process";
import { setTimeout } from "node:timers";
import type { RpcError } from "../errors.ts";
import type { ConnectionEvent, RpcServerEvent, RpcState } from "../options/events.ts";
import type { RpcServerCloseOptions, RpcServerOptions } from "../options/server_options.ts";
import { OperatorLog } from "./operator_log.ts";
import { StateWatch } from "./state_watch.ts";
import { checkNumber, checkType } from "./check.ts";
import { safeObserver } from "./observer.ts";

/** What a server has, as its events name them. */
const CONNECTIONS = ["consumer", "publisher"] as const;

/** What supervisors send, and Ctrl-C. Windows has no SIGTERM. */
const SIGNALS = process.platform === "win32" ? ["SIGINT"] as const : ["SIGTERM", "SIGINT"] as const;

/** What a program that was told to end may take for it after its server has, in milliseconds. */
const LINGER_MS = 5_000;

/** Options of {@linkcode ServerLife}. */
export type LifeOptions = Pick<RpcServerOptions, "queue" | "onEvent" | "log" | "closeOnSignals">;

/** The part of a server that its life needs. */
interface Server {
  /** Closes it, and never rejects. */
  close(options: RpcServerCloseOptions): Promise<void>;
  /** How many requests are in hand. */
  stats(): { readonly active: number };
}

/** Watches over a server, and tells its observer or the operator. */
export class ServerLife {
  readonly #server: Server;
  readonly #watch: StateWatch<"serving">;
  readonly #isObserved: boolean;
  readonly #observer: (event: RpcServerEvent) => void;
  readonly #log: OperatorLog | undefined;
  readonly #onSignal: RpcServerCloseOptions | undefined;
  /** Whether events name their queue. */
  readonly #hasSeveral: boolean;
  #isAwaited = false;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  #stopWaiting: () => void = () => {};

  /**
   * Checks the options.
   *
   * @param server What lives.
   * @param options Who is told, and what ends it.
   * @param queues What it serves; each has connections of its own.
   * @throws {TypeError} If one is of the wrong kind.
   * @throws {RangeError} If the grace is out of its bounds.
   */
  constructor(server: Server, options: LifeOptions, queues: readonly string[]) {
    const { queue, onEvent, log = onEvent === undefined, closeOnSignals = false } = options;
    checkType("listen", { onEvent }, "function");
    checkType("listen", { log }, "boolean");
    if (typeof closeOnSignals !== "boolean") {
      checkType("listen", { closeOnSignals }, "object");
      checkNumber("listen", { "closeOnSignals.graceMs": closeOnSignals.graceMs }, { min: 0 });
    }
    this.#server = server;
    this.#isObserved = onEvent !== undefined;
    this.#observer = safeObserver(onEvent);
    this.#log = log ? new OperatorLog(`Server of "${queue}"`) : undefined;
    this.#onSignal = typeof closeOnSignals === "object"
      ? closeOnSignals
      : closeOnSignals
      ? {}
      : undefined;
    this.#hasSeveral = queues.length > 1;
    const names = queues.flatMap((name) => CONNECTIONS.map((each) => connectionOf(each, name)));
    this.#watch = new StateWatch("serving", names, (state) => this.#log?.onState(state));
  }

  /** What the server is at. */
  get state(): RpcState<"serving"> {
    return this.#watch.state;
  }

  /** Resolves when it is closed; rejects when it has failed. */
  get finished(): Promise<void> {
    this.#isAwaited = true;
    return this.#watch.finished;
  }

  /** It is about to take requests: from now on signals close it, if they are to. */
  watchSignals(): void {
    const options = this.#onSignal;
    if (options !== undefined) {
      this.#stopWaiting = onFirstSignal((signal) => void this.#obey(signal, options));
    }
  }

  /** Signals are the program's again. */
  ignoreSignals(): void {
    this.#stopWaiting();
  }

  /** It serves all of its queues: what a signal has said meanwhile is done now. */
  start(): void {
    this.#started.resolve();
  }

  /** Tells of an event of a queue. */
  #emit(event: RpcServerEvent, queue: string): void {
    this.#log?.onRequest(event);
    this.#observer(this.#hasSeveral ? { ...event, queue } : event);
  }

  /** Tells of an event of one of the connections of a queue. */
  onConnection(
    connection: typeof CONNECTIONS[number],
    event: ConnectionEvent,
    queue: string,
  ): void {
    this.#watch.observe(connectionOf(connection, queue), event);
    if (event.type === "failed") this.#onFailed();
    this.#observer({ ...event, connection, ...(this.#hasSeveral && { queue }) });
  }

  /** Who is told of the requests of a queue, and whether of how long they take. */
  toldOf(queue: string): Pick<ServerLife, "warn"> & {
    readonly emit: (event: RpcServerEvent) => void;
    readonly isObserved: boolean;
  } {
    const emit = (event: RpcServerEvent) => this.#emit(event, queue);
    return { emit, warn: this.warn, isObserved: this.#isObserved };
  }

  /** Who has no observer must still learn why another program gets no replies. */
  readonly warn = ({ message }: RpcError): void => {
    this.#log?.say(`${message}. Others are only counted`);
  };

  /** An administrator has told it to take nothing, or to go on. */
  setPaused(isPaused: boolean): void {
    this.#watch.setPaused(isPaused);
  }

  /** It takes nothing more, and finishes what it has in hand. */
  drain(): void {
    this.ignoreSignals();
    this.#watch.drain();
  }

  /** It is over. */
  end(): void {
    this.#watch.close();
  }

  #onFailed(): void {
    // Half a server is none: its requests must go to others.
    void this.#server.close({ graceMs: 0 });
    if (this.#log !== undefined && !this.#isAwaited) process.exitCode = 1;
  }

  async #obey(signal: string, options: RpcServerCloseOptions): Promise<void> {
    await this.#started.promise;
    const { active } = this.#server.stats();
    this.#log?.say(`${signal}: closing, with ${active} requests in hand`);
    await this.#server.close(options);
    this.#log?.say("closed");
    // It keeps no program running.
    setTimeout(() => {
      this.#log?.say("something else keeps the program running: see docs/operate.md");
    }, LINGER_MS).unref();
  }
}

function connectionOf(connection: typeof CONNECTIONS[number], queue: string): string {
  return `${connection} of ${queue}`;
}

/** All that wait for a signal: one listener for each signal tells all of them. */
const waiting = new Set<(signal: string) => void>();

/**
 * Waits for a signal. After the first one nobody listens any more, so that a second one ends the
 * program at once, as it would without servers.
 *
 * @param onSignal Told of it.
 * @returns Ends the wait.
 */
function onFirstSignal(onSignal: (signal: string) => void): () => void {
  if (waiting.size === 0) { for (const signal of SIGNALS) process.on(signal, tellAll); }
  waiting.add(onSignal);
  return () => {
    if (waiting.delete(onSignal) && waiting.size === 0) stopListening();
  };
}

function tellAll(signal: string): void {
  const told = [...waiting];
  waiting.clear();
  stopListening();
  for (const onSignal of told) onSignal(signal);
}

function stopListening(): void {
  for (const signal of SIGNALS) process.off(signal, tellAll);
}
