/** What a row has to work with: a broker, servers, load, and an end that is looked at closely. @module */

import { RpcClient, type RpcClientOptions, RpcConnection } from "../mod.ts";
import { PrivateNode } from "../tools/brokers/private_node.ts";
import { Random } from "../tools/raw/random.ts";
import { Budget } from "./budget.ts";
import { sharesConnections } from "./clients/shared.ts";
import { type Check, checkHistory } from "./checking/checker.ts";
import { readExecutions } from "./checking/executions.ts";
import { CallLog, type Execution, now, type Remaining } from "./checking/history.ts";
import { Load, type LoadClient, type LoadOptions } from "./load/load.ts";
import { outagesAfter } from "./checking/outages.ts";
import { type Ctl, queueDepth } from "./checking/queue_depth.ts";
import { Server, type ServerOptions } from "./processes/server.ts";
import type { SharedNode } from "./processes/shared_node.ts";
import { pause, until } from "../tools/time/waiting.ts";
import { outputOf, workInput } from "./load/work.ts";

/** Options of {@linkcode Scene.open}. */
export interface SceneOptions {
  readonly seed: number;
  /** Time of the row, in milliseconds. */
  readonly budgetMs: number;
  /** Whether only the least is asked for, as in CI. */
  readonly isShort: boolean;
  /** Ends the row. */
  readonly signal: AbortSignal;
  /**
   * The broker of rows that leave it as it was.
   *
   * @default {one of the row's own}
   */
  readonly node?: SharedNode;
}

/** Options of {@linkcode Scene.startServer}; the others have defaults. */
export type StartServerOptions =
  & Partial<Omit<ServerOptions, "name" | "executions">>
  & Pick<ServerOptions, "urls">;

/** How long the queue may take to become empty. */
const DRAIN_LIMIT_MS = 60_000;
/** Longer than any pause before the next attempt to connect. */
const QUIET_MS = 10_000;
/** How long a load may take to get its first calls through. */
const WARM_UP_LIMIT_MS = 30_000;
/** Between two calls of a lane of a short run, in milliseconds. */
const SHORT_PAUSE_MS = 20;
const WARM_UP_CALLS = 50;

/** The scene of one row; disposing of it ends all that was started. */
export class Scene implements AsyncDisposable {
  readonly random: Random;
  readonly budget: Budget;
  readonly signal: AbortSignal;
  /** The request queue of this row. */
  readonly queue: string = `chaos-${crypto.randomUUID()}`;
  /** The calls of this row. */
  readonly log: CallLog = new CallLog();
  /** When each fault was injected, in Unix milliseconds. */
  readonly faults: number[] = [];
  readonly #folder: string;
  readonly #salt: number;
  readonly #sharedNode: SharedNode | undefined;
  readonly #stack = new AsyncDisposableStack();
  readonly #servers: Server[] = [];
  #load: Load | undefined;
  #started = 0;
  #republished = 0;

  private constructor(folder: string, { seed, budgetMs, isShort, signal, node }: SceneOptions) {
    this.#folder = folder;
    this.#sharedNode = node;
    this.random = new Random(seed);
    this.#salt = this.random.below(2 ** 32);
    this.budget = new Budget({ ms: budgetMs, isShort });
    this.signal = signal;
    this.#stack.defer(() => Deno.remove(folder, { recursive: true }));
  }

  static async open(options: SceneOptions): Promise<Scene> {
    return new Scene(await Deno.makeTempDir({ prefix: "warren-chaos-" }), options);
  }

  /** Servers that have not been seen to end. */
  get servers(): readonly Server[] {
    return this.#servers.filter(({ running }) => running);
  }

  /** Owns something until the end of the row. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    return this.#stack.use(resource);
  }

  /** A broker that this row leaves as it was, but for its queue. */
  async node(): Promise<PrivateNode> {
    return await this.#sharedNode?.get() ?? await this.startNode();
  }

  /** Starts a broker of this row's own. */
  async startNode(config = ""): Promise<PrivateNode> {
    return this.use(await PrivateNode.start({ config, signal: this.signal }));
  }

  /** Starts a server of this row's queue. */
  async startServer(options: StartServerOptions): Promise<Server> {
    const name = `server-${++this.#started}`;
    const server = await Server.start({
      queue: this.queue,
      prefetch: 16,
      workers: 0,
      isolation: "thread",
      loopLimitMs: 2_000,
      heartbeatMs: 10_000,
      connectTimeoutMs: 10_000,
      confirmTimeoutMs: 10_000,
      graceMs: 20_000,
      maxBodyBytes: 16 * 2 ** 20,
      program: "warren_server.ts",
      ...options,
      name,
      executions: `${this.#folder}/${name}`,
    });
    this.#servers.push(server);
    return this.use(server);
  }

  /** Connects a client of this row's queue. */
  async connect(
    url: string | readonly string[],
    options: Partial<RpcClientOptions> = {},
  ): Promise<RpcClient> {
    const { heartbeatMs, connectTimeoutMs, confirmTimeoutMs, connectionName, ...others } = options;
    const given = { heartbeatMs, connectTimeoutMs, confirmTimeoutMs, connectionName };
    const how = { ...definedOf(given), nodeOrder: "given" } as const;
    const own: RpcClientOptions = {
      queue: this.queue,
      ...others,
      onEvent: (event) => {
        options.onEvent?.(event);
        if (event.type === "disconnected") this.#republished += this.log.open;
      },
    };
    const client = sharesConnections()
      ? await RpcClient.connect(this.use(await RpcConnection.open(url, how)), own)
      : await RpcClient.connect(url, { ...own, ...how });
    this.#stack.defer(() => client.close({ graceMs: 0 }));
    return client;
  }

  /** Starts the row's load, and waits until its first calls have got through. */
  async startLoad(clients: readonly LoadClient[], options: LoadOptions = {}): Promise<Load> {
    // Nodes that start and elect need a share of the cores, which others use as well in a short run.
    const pauseMs = this.budget.isShort ? SHORT_PAUSE_MS : 0;
    const load = new Load(clients, { pauseMs, ...options, log: this.log, salt: this.#salt });
    this.#load = load;
    this.#stack.defer(() => load.stop());
    load.start();
    const isWarm = () => this.log.successes.length >= WARM_UP_CALLS;
    if (!await this.until(isWarm, WARM_UP_LIMIT_MS)) {
      throw new Error(`Cannot begin as no calls got through: ${this.log.open} are open`);
    }
    return load;
  }

  /** Notes that a fault is injected now. */
  inject(): void {
    this.faults.push(now());
  }

  /** Outages after each fault that was noted. */
  outages(): number[] {
    return outagesAfter(this.log.successes, this.faults);
  }

  /**
   * Most executions beyond the first of each call, for the losses so far: what servers had in hand
   * when they were killed or lost their connection, and what clients publish again after they have.
   */
  get extraBound(): number {
    return this.#servers.reduce((sum, { couldRepeat }) => sum + couldRepeat, this.#republished);
  }

  /** Waits, unless the row is ended. */
  pause(ms: number): Promise<void> {
    return pause(ms, this.signal);
  }

  /** Waits until something holds; tells whether it did in time. */
  until(holds: () => boolean, limitMs: number): Promise<boolean> {
    return until(holds, { limitMs, signal: this.signal });
  }

  /** Waits until so many calls have got through from now on; tells whether they did in time. */
  progress(calls: number, limitMs = 30_000): Promise<boolean> {
    const enough = this.log.successes.length + calls;
    return this.until(() => this.log.successes.length >= enough, limitMs);
  }

  /** Keeps the load on until so many calls were made or the time of the row is over. */
  async fill(calls: number): Promise<void> {
    await this.until(() => this.log.calls.length >= calls, this.budget.leftMs);
  }

  /**
   * Ends the load, waits until all calls have settled and the queue is empty, ends the servers, and
   * judges what happened.
   *
   * @param node Whom to ask about the queue.
   * @param quietMs How long nothing must have moved before calls without an outcome are given up.
   */
  async conclude(node: Ctl, quietMs: number = QUIET_MS): Promise<Check> {
    this.#load?.stop();
    const remaining = await this.#drain(node, quietMs);
    const endedAt = now();
    this.log.seal();
    for (const server of this.#servers) await this.#end(server);
    const shape = this.#load?.shape ?? { maxMs: 0, hasLargeBodies: false, slowMs: 0 };
    return checkHistory({
      calls: this.log.calls,
      executions: await this.executions(),
      endedAt,
      remaining,
      expected: (call) => outputOf(workInput(call, this.#salt, shape)),
    });
  }

  /** What all servers have run so far. */
  async executions(): Promise<Execution[]> {
    const logs = this.#servers.map(async ({ executions, name }) => {
      return readExecutions(await Deno.readTextFile(executions).catch(() => ""), name);
    });
    return (await Promise.all(logs)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#load?.stop();
    await this.#stack.disposeAsync();
  }

  /** Waits until nothing is under way, or nothing moves any more. */
  async #drain(node: Ctl, quietMs: number): Promise<Remaining | undefined> {
    const giveUpAt = performance.now() + DRAIN_LIMIT_MS;
    const stoppedAt = now();
    const isQuiet = () => {
      const sinceLast = now() - Math.max(stoppedAt, this.log.lastSettledAt);
      return this.log.open === 0 || sinceLast > quietMs;
    };
    for (;;) {
      await this.until(isQuiet, DRAIN_LIMIT_MS);
      const depth = await queueDepth(node, this.queue);
      const isEmpty = depth?.ready === 0 && depth.unacknowledged === 0;
      if ((isEmpty && isQuiet()) || performance.now() > giveUpAt) return depth;
      await this.pause(200);
    }
  }

  async #end(server: Server): Promise<void> {
    if (server.wasKilled) return;
    const { code } = await server.process.terminate();
    if (code === 0) return;
    throw new Error(
      `Cannot conclude as "${server.name}" ended with ${code}: ${await server.process.errors}`,
    );
  }
}

/** The options that there are. */
function definedOf<T extends object>(options: T): Partial<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}
