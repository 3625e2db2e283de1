/** Whether a cluster could lose a node now. @module */

import type { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { Scene } from "../scene.ts";

/** A node that has hung is seen as whole for a moment before the others send it away. */
const STEADY_ROUNDS = 2;
const LIMIT_MS = 150_000;

/**
 * Waits until each node sees all others and has a running replica of the row's queue.
 *
 * @throws {Error} If that takes more than two minutes and a half.
 */
export async function untilWhole(scene: Scene, cluster: PrivateCluster): Promise<void> {
  const { length } = cluster.nodes;
  const giveUpAt = performance.now() + LIMIT_MS;
  for (let steady = 0; steady < STEADY_ROUNDS;) {
    scene.signal.throwIfAborted();
    const states = await Promise.all(cluster.nodes.map((node) => stateSeenBy(node, scene.queue)));
    const isWhole = states.every((state) => state === `{${length},${length},[]}`);
    steady = isWhole ? steady + 1 : 0;
    if (performance.now() < giveUpAt) continue;
    throw new Error(`Cannot go on as the cluster is not whole: its nodes say ${states.join("; ")}`);
  }
}

/**
 * The numbers of running nodes and replicas, and from whom the node is parted; or its error. Brokers
 * with Khepri, of 4.3, do not remember whom they were parted from.
 */
async function stateSeenBy(node: PrivateNode, queue: string): Promise<string> {
  const expression =
    `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
    {Name, _} = amqqueue:get_pid(Q),
    Running = rabbit_nodes:all_running(),
    Replicas = [N || N <- Running, is_pid(rpc:call(N, erlang, whereis, [Name], 5000))],
    Partitions = case erlang:function_exported(rabbit_node_monitor, partitions, 0) of
      true -> rabbit_node_monitor:partitions();
      false -> []
    end,
    {length(Running), length(Replicas), Partitions}.`;
  try {
    return (await node.ctl("eval", expression)).trim();
  } catch (error) {
    // It is starting, or the queue has no leader.
    return `${error}`;
  }
}
