/** A worker file that is served, and served anew when it changes. @module */

import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { healthHandler } from "../../extras/health/mod.ts";
import { RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { CommandError, EXIT_CODE } from "../exit_code.ts";
import type { Broker } from "../global_options.ts";

/** What is served, and how. */
export interface ServiceParts {
  readonly broker: Broker;
  readonly file: string;
  readonly queue: string;
  readonly workers: number;
  readonly isolation: "thread" | "process";
  readonly prefetch?: number | undefined;
  readonly durability: "replicated" | "durable";
  readonly control: "none" | "read" | "admin";
  readonly graceMs: number;
  /** Whether people are told only of errors. */
  readonly isQuiet: boolean;
  /** Tells people. */
  readonly say: (words: string) => void;
}

/** A server with the pool that works for it. */
interface Running {
  readonly pool: WorkerPool;
  readonly server: RpcServer;
}

/** Editors write a file in several steps. */
const CHANGE_PAUSE_MS = 200;

/** Files whose change may be one of the code. */
const CODE_REGEXP = /\.(ts|tsx|mts|js|jsx|mjs|json|wasm)$/;

/** Serves a worker file until a signal comes. */
export class WorkerService {
  readonly #parts: ServiceParts;
  #running: Running;
  #reload: Promise<void> | undefined;

  private constructor(parts: ServiceParts, running: Running) {
    this.#parts = parts;
    this.#running = running;
  }

  /**
   * Starts the workers, then the server.
   *
   * @throws {CommandError} If there is no such file.
   * @throws {RpcError} `worker-not-started`, and what `RpcServer.listen()` rejects with.
   */
  static async start(parts: ServiceParts): Promise<WorkerService> {
    const isFile = await Deno.stat(parts.file).then(({ isFile }) => isFile, () => false);
    if (!isFile) {
      throw new CommandError(
        EXIT_CODE.data,
        `Cannot serve "${parts.file}" as there is no such file`,
      );
    }
    return new WorkerService(parts, await start(parts));
  }

  /** The procedures that the worker file exposes. */
  get procedures(): string[] {
    return namesOf(this.#running.pool.handlers());
  }

  /** Answers probes at a port of this machine, and shows a page of what goes on. */
  serveHealth(port: number, allowRemote: boolean): Deno.HttpServer<Deno.NetAddr> {
    const handler = healthHandler(() => ({ ...this.#running }), { page: true, allowRemote });
    const hostname = allowRemote ? "0.0.0.0" : "127.0.0.1";
    try {
      return Deno.serve({ hostname, port, onListen: () => {} }, handler);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      throw new CommandError(EXIT_CODE.unavailable, `Cannot answer at port ${port}: it is taken`);
    }
  }

  /** Serves the file anew whenever it, or code beside or below it, changes; until the iterator ends. */
  async watch(signal: AbortSignal): Promise<void> {
    const folder = dirname(resolve(this.#parts.file));
    using watcher = Deno.watchFs(folder);
    signal.addEventListener("abort", () => watcher.close());
    let timer: ReturnType<typeof setTimeout> | undefined;
    for await (const { kind, paths } of watcher) {
      if (kind === "access" || !paths.some((path) => CODE_REGEXP.test(path))) continue;
      clearTimeout(timer);
      timer = setTimeout(() => this.#reload ??= this.#replace(), CHANGE_PAUSE_MS);
    }
    clearTimeout(timer);
    await this.#reload;
  }

  /** Takes no more requests, finishes those in hand, and ends the workers. */
  async close(): Promise<void> {
    await this.#reload;
    await this.#end(this.#running);
  }

  /** The successor serves before the old one leaves: no request waits for nobody. */
  async #replace(): Promise<void> {
    const { file, say } = this.#parts;
    try {
      const old = this.#running;
      const next = await start(this.#parts);
      this.#running = next;
      say(`${basename(file)} has changed: serving ${this.procedures.join(", ")}`);
      await this.#end(old);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      say(`${basename(file)} has changed, and the old one serves on: ${reason}`);
    } finally {
      this.#reload = undefined;
    }
  }

  async #end({ server, pool }: Running): Promise<void> {
    await server.close({ graceMs: this.#parts.graceMs });
    await pool.close({ graceMs: 1_000 });
  }
}

async function start(parts: ServiceParts): Promise<Running> {
  const { broker, file, queue, workers, isolation, prefetch, durability, control } = parts;
  const pool = await WorkerPool.open(pathToFileURL(resolve(file)), {
    maxWorkers: workers,
    isolation,
  });
  try {
    const server = await RpcServer.listen(broker.url, {
      ...broker.options,
      queue,
      handlers: pool.handlers(),
      durability,
      control,
      log: !parts.isQuiet,
      ...(prefetch !== undefined && { prefetch }),
    });
    return { pool, server };
  } catch (error) {
    await pool.close({ graceMs: 0 });
    throw error;
  }
}

/** Handlers may stand in objects. */
function namesOf(handlers: object, prefix: string = ""): string[] {
  return Object.entries(handlers).flatMap(([name, value]: [string, object]) =>
    Object.keys(value).length === 0 ? [prefix + name] : namesOf(value, `${prefix}${name}.`)
  );
}

/** The first signal asks to end; a second one ends the program at once. */
export function firstSignal(): Promise<Deno.Signal> {
  const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  const signals = ["SIGINT", "SIGTERM"] as const;
  const listeners = signals.map((signal) => ({ signal, tell: () => resolve(signal) }));
  for (const { signal, tell } of listeners) Deno.addSignalListener(signal, tell);
  return promise.finally(() => {
    for (const { signal, tell } of listeners) Deno.removeSignalListener(signal, tell);
  });
}
