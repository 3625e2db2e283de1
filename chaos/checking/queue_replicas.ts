/** Whether a cluster could lose a node now. @module */

import type { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { Scene } from "../scene.ts";
import type { Check } from "./checker.ts";

/** A node that has hung is seen as whole for a moment before the others send it away. */
const STEADY_ROUNDS = 2;
const LIMIT_MS = 150_000;
const PAUSE_MS = 200;

/**
 * Waits until each node sees all others and has a running replica of a queue, the row's by default.
 *
 * @throws {Error} If that takes more than two minutes and a half.
 */
export async function untilWhole(
  scene: Scene,
  { nodes }: PrivateCluster,
  queue: string = scene.queue,
): Promise<void> {
  const [asked] = nodes;
  if (asked === undefined) throw new Error("Cannot go on as the cluster has no nodes");
  const names = nodes.map(({ name }) => name);
  const whole = `[${names.map(() => `{${names.length},true,[]}`).join(",")}]`;
  const giveUpAt = performance.now() + LIMIT_MS;
  for (let steady = 0; steady < STEADY_ROUNDS;) {
    scene.signal.throwIfAborted();
    const states = await statesOf(names, queue, asked);
    steady = states === whole ? steady + 1 : 0;
    if (steady > 0) continue;
    if (performance.now() > giveUpAt) {
      throw new Error(`Cannot go on as the cluster is not whole: its nodes say ${states}`);
    }
    // Each question starts an Erlang machine, and a node that starts needs the processor.
    await scene.pause(PAUSE_MS);
  }
}

/**
 * For each node, the number of nodes that it sees, whether it has a running replica, and from whom it
 * is parted; or an error. All by one node, which asks the others. Brokers with Khepri, of 4.3, do not
 * remember whom they were parted from.
 */
async function statesOf(
  names: readonly string[],
  queue: string,
  asked: PrivateNode,
): Promise<string> {
  const expression =
    `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
    {Name, _} = amqqueue:get_pid(Q),
    Ask = fun(N, Module, Function, Args) -> rpc:call(N, Module, Function, Args, 5000) end,
    Parted = case erlang:function_exported(rabbit_node_monitor, partitions, 0) of
      true -> fun(N) -> Ask(N, rabbit_node_monitor, partitions, []) end;
      false -> fun(_) -> [] end
    end,
    [{length(Ask(N, rabbit_nodes, all_running, [])),
      is_pid(Ask(N, erlang, whereis, [Name])), Parted(N)} || N <- [${
      names.map((name) => `'${name}'`).join(", ")
    }]].`;
  try {
    return (await asked.ctl("eval", expression)).replaceAll(/\s/g, "");
  } catch (error) {
    // A node is starting, or the queue has no leader.
    return `${error}`;
  }
}

/** Ends a row on a cluster: tells what became of its calls, and how long each outage was. */
export async function concludeCluster(
  scene: Scene,
  { nodes: [node] }: PrivateCluster,
): Promise<{ readonly check: Check; readonly outagesMs: readonly number[] }> {
  if (node === undefined) throw new Error("Cannot conclude as the cluster has no nodes");
  const outagesMs = scene.outages();
  return { outagesMs, check: await scene.conclude(node) };
}
