/** R3, R4 and R5: a cluster loses the node that leads the request queue, or the callers' node. @module */

import { PrivateCluster, type PrivateClusterOptions } from "../../tools/brokers/private_cluster.ts";
import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { Rounds } from "../budget.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atMost, type Limit } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { concludeCluster, untilWhole } from "../checking/queue_replicas.ts";
import type { Scene } from "../scene.ts";

const PREFETCH = 16;
/** What the callers' connections say of themselves. */
const CALLERS = "callers";
/** Longer than net_ticktime, after which the others take the node for dead. */
const HANG_MS = 25_000;
/** What a short run grants an election by three nodes that share the cores of a test runner. */
const SHORT_LIMIT_MS = 2_000;

interface ClusterFault {
  readonly id: string;
  readonly title: string;
  readonly seconds: number;
  readonly isLong?: boolean;
  readonly rounds: Rounds;
  /** Calls to make, if there is time. */
  readonly calls?: number;
  readonly cluster?: PrivateClusterOptions;
  /** How soon clients and servers notice; by default as they come. */
  readonly patience?: Patience;
  /**
   * Which node is taken away: the one that leads the queue, or the one that all callers are at.
   *
   * @default {"leader"}
   */
  readonly victim?: "leader" | "callers";
  /** Takes the node away. */
  readonly take: (victim: PrivateNode, scene: Scene) => Promise<void>;
  /** Brings it back. */
  readonly giveBack: (victim: PrivateNode, scene: Scene) => Promise<void>;
  /** Longest outages, in milliseconds. */
  readonly outage: { readonly p50?: number; readonly max: number };
  /** Most executions beyond the first of each call, for each injection. */
  readonly extraEach?: number;
}

interface Patience {
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
  readonly confirmTimeoutMs: number;
}

const restart = (victim: PrivateNode, { signal }: Scene) => victim.restart({ signal });

const KINDS: readonly ClusterFault[] = [
  {
    id: "R3",
    title: "the queue's leader is killed",
    seconds: 110,
    rounds: { full: 20, short: 1 },
    calls: 500_000,
    take: (leader) => leader.kill(),
    giveBack: restart,
    outage: { p50: 600, max: 2_000 },
    extraEach: PREFETCH,
  },
  {
    id: "R3",
    title: "the callers' node is killed",
    seconds: 60,
    rounds: { full: 20, short: 1 },
    victim: "callers",
    take: (callersNode) => callersNode.kill(),
    giveBack: restart,
    outage: { p50: 600, max: 2_000 },
  },
  {
    id: "R4",
    title: "the queue's leader is stopped",
    seconds: 45,
    rounds: { full: 10, short: 1 },
    take: (leader) => leader.stop(),
    giveBack: restart,
    outage: { max: 300 },
  },
  {
    id: "R5",
    title: "the queue's leader hangs (SIGSTOP)",
    seconds: 45,
    isLong: true,
    rounds: { full: 3, short: 1 },
    cluster: {
      config: "cluster_partition_handling = autoheal",
      erlangArgs: "-kernel net_ticktime 10",
    },
    patience: { heartbeatMs: 2_000, connectTimeoutMs: 2_000, confirmTimeoutMs: 3_000 },
    async take(leader, scene) {
      signal(leader, "SIGSTOP");
      await scene.pause(HANG_MS);
    },
    giveBack: (leader) => Promise.resolve(signal(leader, "SIGCONT")),
    outage: { max: 15_000 },
  },
];

/** All rows with a cluster. */
export const clusterFaults: readonly Fault[] = KINDS.map((kind) => ({
  id: kind.id,
  title: kind.title,
  seconds: kind.seconds,
  isLong: kind.isLong ?? false,
  run: (scene) => run(scene, kind),
}));

async function run(scene: Scene, kind: ClusterFault): Promise<RowFigures> {
  const { budget, signal, random } = scene;
  const cluster = scene.use(await PrivateCluster.start({ ...kind.cluster, signal }));
  // Everybody knows all nodes, and begins with another one.
  const [urls = [], ...others] = cluster.urls.map((_, first) => rotated(cluster.urls, first));
  const client = await scene.connect(urls, { ...kind.patience, connectionName: CALLERS });
  await Promise.all(others.map((urls) => {
    return scene.startServer({ urls, prefetch: PREFETCH, ...kind.patience });
  }));
  await scene.startLoad([client]);
  await untilWhole(scene, cluster);
  let injected = 0;
  for (const _round of budget.rounds(kind.rounds)) {
    await scene.progress(200 + random.below(1_000));
    const victim = kind.victim === "callers"
      ? await callersNodeOf(cluster)
      : await cluster.leaderOf(scene.queue);
    scene.inject();
    injected++;
    await kind.take(victim, scene);
    await scene.progress(50, 60_000);
    await kind.giveBack(victim, scene);
    await untilWhole(scene, cluster);
  }
  if (kind.calls !== undefined) await scene.fill(kind.calls);
  const { check, outagesMs } = await concludeCluster(scene, cluster);
  return {
    injected,
    check,
    terms: { extraBound: Math.min(scene.extraBound, injected * (kind.extraEach ?? Infinity)) },
    outagesMs,
    limits: outageLimits(scene, kind, outagesMs),
  };
}

function outageLimits(
  { budget }: Scene,
  { outage: { p50, max } }: ClusterFault,
  outagesMs: readonly number[],
): Limit[] {
  const limit = (name: string, share: number, ms: number) =>
    atMost(
      name,
      quantile(outagesMs, share),
      budget.isShort ? Math.max(SHORT_LIMIT_MS, budget.timeLimit(ms)) : ms,
    );
  return [
    ...p50 === undefined ? [] : [limit("outage p50, ms", 0.5, p50)],
    limit("outage max, ms", 1, max),
  ];
}

/** Servers go on where they were, as they lose no connection; callers have moved each time. */
async function callersNodeOf({ nodes }: PrivateCluster): Promise<PrivateNode> {
  const columns = ["port", "client_properties", "--no-table-headers"];
  const rows = await nodes[0]?.ctl("list_connections", ...columns) ?? "";
  const [, port] = new RegExp(`^(\\d+)\\s.*${CALLERS}`, "m").exec(rows) ?? [];
  const node = nodes.find(({ url }) => new URL(url).port === port);
  if (node === undefined) throw new Error(`Cannot tell the callers' node by these rows: ${rows}`);
  return node;
}

function rotated<Item>(items: readonly Item[], first: number): Item[] {
  return [...items.slice(first), ...items.slice(0, first)];
}

function signal({ pid, name }: PrivateNode, signal: Deno.Signal): void {
  if (pid === undefined) throw new Error(`Cannot send ${signal} as "${name}" is down`);
  Deno.kill(pid, signal);
}
