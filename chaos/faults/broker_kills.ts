/** R2: the only broker dies, and comes back with what it had on disk. @module */

import { answersAmqp } from "../../tools/brokers/amqp_probe.ts";
import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { now } from "../checking/history.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Scene } from "../scene.ts";

const CALLS = 50_000;

/** A node is killed and started again, with all connections and whatever it had in memory gone. */
export const brokerKills: Fault = {
  id: "R2",
  title: "the broker is killed and restarted",
  seconds: 75,
  isOfRelease: true,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget } = scene;
  const node = await scene.startNode();
  const server = { urls: [node.url], heartbeatMs: 5_000 };
  await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const client = await scene.connect(node.url, { heartbeatMs: 5_000 });
  await scene.startLoad([client], { lanes: 32 });
  await untilOnDisk(scene, node);
  const resumedMs: number[] = [];
  for (const _round of budget.rounds({ full: 10, short: 1 })) {
    await scene.progress(200 + scene.random.below(1_000));
    scene.inject();
    await node.kill();
    const opened = untilOpen(scene, node);
    await node.restart({ signal: scene.signal });
    const openedAt = await opened;
    await scene.progress(50, 60_000);
    resumedMs.push((scene.log.successes.find((at) => at > openedAt) ?? Infinity) - openedAt);
  }
  await scene.fill(CALLS);
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  return {
    injected: resumedMs.length,
    check,
    terms: { extraBound: scene.extraBound },
    outagesMs,
    limits: [
      atMost("resumed after the port opened p50, ms", quantile(resumedMs, 0.5), 1_500),
      atMost("resumed after the port opened max, ms", quantile(resumedMs, 1), 1_500),
    ].map(({ name, figure, limit }) => atMost(name, figure, budget.timeLimit(limit))),
  };
}

/**
 * RabbitMQ writes the name of a new quorum queue down half a second late; a crash before that
 * leaves a queue that answers to nobody.
 */
async function untilOnDisk(scene: Scene, node: PrivateNode): Promise<void> {
  const [name = ""] = node.name.split("@");
  const folder = `${node.network.folder}/${name}/data/${node.name}/quorum/${node.name}`;
  while (!(await Deno.readTextFile(`${folder}/names.dets`)).includes(scene.queue)) {
    await scene.pause(50);
  }
}

/** Waits until the broker takes connections; tells when. */
async function untilOpen(scene: Scene, { url }: PrivateNode): Promise<number> {
  const { hostname, port } = new URL(url);
  while (!await answersAmqp({ hostname, port: Number(port) })) await scene.pause(10);
  return now();
}
