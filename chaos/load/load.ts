/** Steady load: calls of all kinds, each recorded with what became of it. @module */

import { type CallOptions, RpcError } from "../../mod.ts";
import type { CallKind, CallLog, CallRecord, Settle } from "../checking/history.ts";
import { pause } from "../../tools/time/waiting.ts";
import { type WorkInput, workInput, type WorkShape } from "./work.ts";

/** What a load needs of a client; {@linkcode RpcClient} has it, and so have bad ones. */
export interface LoadClient {
  call(procedure: string, input: WorkInput, options: CallOptions): Promise<unknown>;
  callAsync(
    procedure: string,
    input: WorkInput,
    callback: (outcome: CallbackOutcome) => void,
    options: CallOptions,
  ): unknown;
  notify(procedure: string, input: WorkInput, options: { timeoutMs: number }): Promise<void>;
}

/** What a callback gets. */
export type CallbackOutcome =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly error: unknown };

/** Options of {@linkcode Load}. */
export interface LoadOptions {
  /**
   * Calls in flight on each client, in lanes: each begins the next call when its last one has settled.
   *
   * @default {16}
   */
  readonly lanes?: number;
  /**
   * Pause of a lane between two calls, in milliseconds.
   *
   * @default {0}
   */
  readonly pauseMs?: number;
  /**
   * Interval of further calls that begin whatever the others do, in milliseconds, so that some begin
   * in the middle of an outage; 0 is none.
   *
   * @default {20}
   */
  readonly trickleMs?: number;
  /**
   * Time that each call has, in milliseconds.
   *
   * @default {60_000}
   */
  readonly timeoutMs?: number;
  /**
   * Longest work, in milliseconds.
   *
   * @default {8}
   */
  readonly maxWorkMs?: number;
  /**
   * Duration of one call in 100, in milliseconds; 0 is that of the others.
   *
   * @default {0}
   */
  readonly slowMs?: number;
  /**
   * Whether some bodies are longer than a frame.
   *
   * @default {true}
   */
  readonly hasLargeBodies?: boolean;
  /**
   * One call in so many goes to the pool's procedure; 0 is none.
   *
   * @default {0}
   */
  readonly computeOneIn?: number;
  /**
   * Kinds of calls, in turn.
   *
   * @default {mostly "call"}
   */
  readonly kinds?: readonly CallKind[];
}

/** Most calls that the trickle may have open, so that a long outage does not end in a flood. */
const MAX_TRICKLE = 2_000;

/** Mostly calls, as in life. */
const KINDS: readonly CallKind[] = [
  ...Array.from<CallKind>({ length: 16 }).fill("call"),
  "callback",
  "callback",
  "once",
  "notify",
];

/** Calls through some clients until it is stopped. */
export class Load {
  readonly #options: Required<LoadOptions>;
  readonly #clients: readonly LoadClient[];
  readonly #log: CallLog;
  readonly #salt: number;
  readonly #lanes: Promise<void>[] = [];
  readonly #trickling = new Set<Promise<void>>();
  #trickle: ReturnType<typeof setInterval> | undefined;
  readonly #stopping = new AbortController();

  constructor(
    clients: readonly LoadClient[],
    options: LoadOptions & { readonly log: CallLog; readonly salt: number },
  ) {
    this.#clients = clients;
    this.#log = options.log;
    this.#salt = options.salt;
    this.#options = {
      lanes: 16,
      pauseMs: 0,
      trickleMs: 20,
      timeoutMs: 60_000,
      maxWorkMs: 8,
      slowMs: 0,
      hasLargeBodies: true,
      computeOneIn: 0,
      kinds: KINDS,
      ...options,
    };
  }

  /** Calls that are in flight at a time, at most, when nothing is wrong. */
  get concurrency(): number {
    return this.#options.lanes * this.#clients.length;
  }

  /** How inputs are made. */
  get shape(): WorkShape {
    const { maxWorkMs, hasLargeBodies, slowMs } = this.#options;
    return { maxMs: maxWorkMs, hasLargeBodies, slowMs };
  }

  /** Starts to call. */
  start(): void {
    const { lanes, trickleMs } = this.#options;
    for (const client of this.#clients) {
      for (let lane = 0; lane < lanes; lane++) this.#lanes.push(this.#runLane(client));
    }
    if (trickleMs > 0) this.#trickle = setInterval(() => this.#callOnce(), trickleMs);
  }

  /** Begins no further call. */
  stop(): void {
    this.#stopping.abort();
    clearInterval(this.#trickle);
  }

  /** Resolves when it is stopped and every call has settled. */
  async settled(): Promise<void> {
    await Promise.all(this.#lanes);
    await Promise.all(this.#trickling);
  }

  async #runLane(client: LoadClient): Promise<void> {
    const { pauseMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#call(client);
      // Settled at once means refused at once: other lanes must come to their turn.
      await pause(pauseMs, signal).catch(() => {});
    }
  }

  #callOnce(): void {
    const { length } = this.#log.calls;
    const client = this.#clients[length % this.#clients.length];
    if (client === undefined || this.#trickling.size >= MAX_TRICKLE) return;
    const calling = this.#call(client).finally(() => this.#trickling.delete(calling));
    this.#trickling.add(calling);
  }

  async #call(client: LoadClient): Promise<void> {
    const { kinds, timeoutMs, computeOneIn } = this.#options;
    const { length } = this.#log.calls;
    const record = this.#log.begin({ kind: kinds[length % kinds.length] ?? "call", timeoutMs });
    const input = workInput(record.call, this.#salt, this.shape);
    const isComputed = computeOneIn > 0 && record.call % computeOneIn === 0;
    const settle = (outcome: Omit<Settle, "at">) => this.#log.settle(record, outcome);
    await perform(client, record, {
      procedure: isComputed ? "compute" : "work",
      input,
      timeoutMs,
      settle,
    });
  }
}

interface Performance {
  readonly procedure: string;
  readonly input: WorkInput;
  readonly timeoutMs: number;
  readonly settle: (outcome: Omit<Settle, "at">) => void;
}

/** Makes one call, and resolves when it has an outcome. */
async function perform(
  client: LoadClient,
  { kind }: CallRecord,
  { procedure, input, timeoutMs, settle }: Performance,
): Promise<void> {
  try {
    if (kind === "notify") {
      await client.notify(procedure, input, { timeoutMs });
      settle({});
    } else if (kind === "callback") {
      await new Promise<void>((resolve) => {
        client.callAsync(procedure, input, (outcome) => {
          settle(outcome.ok ? { output: outcome.output } : failure(outcome.error));
          resolve();
        }, { timeoutMs });
      });
    } else {
      const idempotent = kind === "call";
      settle({ output: await client.call(procedure, input, { timeoutMs, idempotent }) });
    }
  } catch (error) {
    settle(failure(error));
  }
}

function failure(error: unknown): Omit<Settle, "at"> {
  if (!(error instanceof RpcError)) return { code: `${error}` };
  return { code: error.code, ...(error.call && { phase: error.call.phase }) };
}
