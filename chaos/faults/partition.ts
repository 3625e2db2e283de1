/** R15: the network of a cluster parts one node from the two others. @module */

import type { CallOptions, RpcClient } from "../../mod.ts";
import { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { now } from "../checking/history.ts";
import { outagesAfter } from "../checking/outages.ts";
import { untilWhole } from "../checking/queue_replicas.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atMost } from "../limits.ts";
import type { CallbackOutcome, LoadClient } from "../load/load.ts";
import type { WorkInput } from "../load/work.ts";
import type { Scene } from "../scene.ts";

const PREFETCH = 16;
const LANES = 6;
/** Longer than a client or server takes to leave a node that answers nothing. */
const PARTED_MS = 15_000;
/** A node that does not answer is left after each of these, one after the other. */
const PATIENCE = { heartbeatMs: 2_000, connectTimeoutMs: 2_000, confirmTimeoutMs: 2_000 };
const OUTAGE_LIMIT_MS = 10_000;
/** What the majority's own clients and servers may notice: an election, if the leader is cut off. */
const MAJORITY_LIMIT_MS = 5_000;

/** A client, a server and their node. */
interface Site {
  readonly node: PrivateNode;
  readonly client: WatchedClient;
}

/** The row of partitions. */
export const partition: Fault = {
  id: "R15",
  title: "a minority node is cut off",
  seconds: 60,
  // What a partition does to a cluster with Mnesia, somebody has to mend by hand.
  since: "4.3",
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget, signal, random } = scene;
  const cluster = scene.use(await PrivateCluster.start({ signal }));
  const sites = await Promise.all(cluster.nodes.map((node) => openSite(scene, cluster, node)));
  await scene.startLoad(sites.map(({ client }) => client), { lanes: LANES });
  await untilWhole(scene, cluster);
  const minority: number[] = [];
  const majority: number[] = [];
  for (const round of budget.rounds({ full: 6, short: 1 })) {
    await scene.progress(200 + random.below(1_000));
    const leader = await cluster.leaderOf(scene.queue);
    // The leader itself, and a node that follows, in turn.
    const followers = sites.filter(({ node }) => node !== leader);
    const followed = followers[random.below(followers.length)];
    const parted = round % 2 === 0 ? sites.find(({ node }) => node === leader) : followed;
    if (parted === undefined) throw new Error("Cannot cut a node off as the cluster has none");
    scene.inject();
    const from = now();
    await part(parted.node, cluster);
    await scene.pause(PARTED_MS);
    for (const { client } of sites) {
      (client === parted.client ? minority : majority).push(
        ...outagesAfter(client.successes, [from]),
      );
    }
    await join(parted.node, cluster);
    await untilWhole(scene, cluster);
  }
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error("Cannot conclude as the cluster has no nodes");
  const check = await scene.conclude(node);
  return {
    injected: scene.faults.length,
    check,
    terms: { extraBound: scene.extraBound },
    outagesMs: minority,
    limits: [
      atMost("outage max, ms", quantile(minority, 1), budget.timeLimit(OUTAGE_LIMIT_MS)),
      atMost("majority outage, ms", quantile(majority, 1), budget.timeLimit(MAJORITY_LIMIT_MS)),
    ],
  };
}

/** A client and a server that begin with one node and know all. */
async function openSite(scene: Scene, cluster: PrivateCluster, node: PrivateNode): Promise<Site> {
  const urls = [node.url, ...cluster.urls.filter((url) => url !== node.url)];
  await scene.startServer({ urls, prefetch: PREFETCH, ...PATIENCE });
  return { node, client: new WatchedClient(await scene.connect(urls, PATIENCE)) };
}

/**
 * Cuts a node off from the others, for as long as it has wrong cookies for them: neither side lets
 * the other connect. Its clients notice nothing of that, and rabbitmqctl gets through.
 */
async function part(node: PrivateNode, cluster: PrivateCluster): Promise<void> {
  const actions = "erlang:set_cookie(N, parted), erlang:disconnect_node(N)";
  await forEachOther(node, cluster, actions);
}

/** Lets the nodes connect again, which they do by themselves. */
async function join(node: PrivateNode, cluster: PrivateCluster): Promise<void> {
  await forEachOther(node, cluster, "erlang:set_cookie(N, erlang:get_cookie())");
}

/** Has a node do something about each other node `N`. */
async function forEachOther(
  node: PrivateNode,
  { nodes }: PrivateCluster,
  actions: string,
): Promise<void> {
  const others = nodes.filter((other) => other !== node).map(({ name }) => `'${name}'`);
  await node.ctl("eval", `[begin ${actions} end || N <- [${others.join(", ")}]].`);
}

/** A client that notes when its calls resolve. */
class WatchedClient implements LoadClient {
  readonly successes: number[] = [];
  readonly #client: RpcClient;

  constructor(client: RpcClient) {
    this.#client = client;
  }

  async call(procedure: string, input: WorkInput, options: CallOptions): Promise<unknown> {
    const output = await this.#client.call(procedure, input, options);
    this.successes.push(now());
    return output;
  }

  callAsync(
    procedure: string,
    input: WorkInput,
    callback: (outcome: CallbackOutcome) => void,
    options: CallOptions,
  ): unknown {
    return this.#client.callAsync(procedure, input, callback, options);
  }

  async notify(
    procedure: string,
    input: WorkInput,
    options: { readonly timeoutMs: number },
  ): Promise<void> {
    await this.#client.notify(procedure, input, options);
  }
}
