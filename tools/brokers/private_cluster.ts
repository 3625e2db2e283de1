import { ErlangNetwork } from "./erlang_network.ts";
import { PrivateNode } from "./private_node.ts";
import type { RabbitmqInstall } from "./rabbitmq_install.ts";

/** Options of {@linkcode PrivateCluster.start}. */
export interface PrivateClusterOptions {
  /**
   * How many nodes.
   *
   * @default {3}
   */
  readonly nodes?: number;
  /**
   * Which RabbitMQ to run.
   *
   * @default {what findRabbitmq() finds}
   */
  readonly install?: RabbitmqInstall;
  /** Lines for rabbitmq.conf of every node. */
  readonly config?: string;
  /** More arguments for the Erlang machine of every node, such as `-kernel net_ticktime 10`. */
  readonly erlangArgs?: string;
  /**
   * Longest time until all nodes answer.
   *
   * @default {120_000}
   */
  readonly startTimeoutMs?: number;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

/** How long nodes that have started may take to see each other. */
const ONLINE_TIMEOUT_SECONDS = 60;

/**
 * A RabbitMQ cluster of one's own, of {@linkcode PrivateNode}s on 127.0.0.1.
 *
 * It ends with this process, however that ends.
 */
export class PrivateCluster implements AsyncDisposable {
  /** The nodes, by number: `warren1@localhost` is the first. */
  readonly nodes: readonly PrivateNode[];
  readonly #network: ErlangNetwork;

  private constructor(network: ErlangNetwork, nodes: readonly PrivateNode[]) {
    this.#network = network;
    this.nodes = nodes;
  }

  /**
   * Starts the first node, then the others at the same time, and waits until they are one cluster.
   * Nodes of 4.x that start together may each found a cluster of their own.
   *
   * @throws {Error} If RabbitMQ is not installed, or a node ends or takes too long.
   */
  static async start(options: PrivateClusterOptions = {}): Promise<PrivateCluster> {
    const { nodes: count = 3, config = "", startTimeoutMs = 120_000, install, ...rest } = options;
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await ErlangNetwork.open(install));
    // If one fails to start, the others are not to be waited for.
    const failure = new AbortController();
    const signals = [failure.signal, ...rest.signal === undefined ? [] : [rest.signal]];
    const names = Array.from({ length: count }, (_, index) => `warren${index + 1}`);
    const start = async (name: string, peers: readonly string[]) => {
      const nodeOptions = { name, network, config: `${formation(peers)}\n${config}` };
      const signal = AbortSignal.any(signals);
      try {
        return stack.use(
          await PrivateNode.start({ ...rest, ...nodeOptions, startTimeoutMs, signal }),
        );
      } catch (error) {
        failure.abort(error);
        throw error;
      }
    };
    const [first = "", ...others] = names;
    // It looks for nobody: a node of 4.x would do so for most of a minute.
    const founder = await start(first, []);
    const joining = others.map((name) => start(name, names));
    await Promise.allSettled(joining);
    const cluster = new PrivateCluster(network, [founder, ...await Promise.all(joining)]);
    await cluster.allOnline();
    stack.move();
    return cluster;
  }

  /** Where clients connect: one URL for each node. */
  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  /**
   * Tells which node leads a quorum queue.
   *
   * @throws {Error} If there is no such queue, or it has no leader at this moment.
   */
  async leaderOf(queue: string): Promise<PrivateNode> {
    const rows = await this.#ctl("list_queues", "name", "leader", "--no-table-headers");
    const [, name] =
      rows.split("\n").map((row) => row.split("\t")).find(([row]) => row === queue) ??
        [];
    const leader = this.nodes.find((node) => node.name === name);
    if (leader !== undefined) return leader;
    throw new Error(
      `Cannot tell the leader of queue "${queue}" as it has none: the nodes say "${name ?? ""}"`,
    );
  }

  /** Resolves when every node sees all others. */
  async allOnline(): Promise<void> {
    const count = `${this.nodes.length}`;
    await this.#ctl("await_online_nodes", count, "--timeout", `${ONLINE_TIMEOUT_SECONDS}`);
  }

  /** Kills all nodes and removes their data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
    await this.#network[Symbol.asyncDispose]();
  }

  /** Asks a node that runs. */
  async #ctl(...args: readonly string[]): Promise<string> {
    const node = this.nodes.find(({ pid }) => pid !== undefined);
    if (node === undefined) throw new Error("Cannot ask the cluster as all of its nodes are down");
    return await node.ctl(...args);
  }
}

/**
 * The first node that gets to it founds the cluster, while a lock keeps the others waiting, and they
 * join it: a node that finds no cluster need not look again.
 */
function formation(names: readonly string[]): string {
  return [
    "cluster_formation.peer_discovery_backend = classic_config",
    "cluster_formation.discovery_retry_limit = 1",
    "cluster_formation.discovery_retry_interval = 50",
    ...names.map((name, index) =>
      `cluster_formation.classic_config.nodes.${index + 1} = ${name}@localhost`
    ),
  ].join("\n");
}
