/** R17: the leader of a durable reply queue is killed, while its client starts anew again and again. */

import { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { concludeCluster, untilWhole } from "../checking/queue_replicas.ts";
import { NamedClient } from "../clients/named_client.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atLeast, atMost } from "../limits.ts";
import type { Scene } from "../scene.ts";

const PREFETCH = 16;
/** The broker has to elect, and the client to find out that no other one is served. */
const OUTAGE_LIMIT_MS = 10_000;

/** Calls with a callback by name, whose replies outlive their client and the node that leads their queue. */
export const replyQueueKills: Fault = {
  id: "R17",
  title: "a durable reply queue loses its node",
  seconds: 60,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget, signal, random } = scene;
  const cluster = scene.use(await PrivateCluster.start({ signal }));
  const [urls = [], ...others] = cluster.urls.map((_, first) => [
    ...cluster.urls.slice(first),
    ...cluster.urls.slice(0, first),
  ]);
  const client = scene.use(await NamedClient.start(scene, urls));
  await Promise.all(others.map((urls) => scene.startServer({ urls, prefetch: PREFETCH })));
  await scene.startLoad([client], { kinds: ["callback"] });
  let injected = 0;
  for (const _round of budget.rounds({ full: 10, short: 1 })) {
    await untilWhole(scene, cluster);
    await untilWhole(scene, cluster, client.replyQueue);
    await scene.progress(200 + random.below(1_000));
    const leader = await cluster.leaderOf(client.replyQueue);
    scene.inject();
    injected++;
    await leader.kill();
    await client.restart();
    await scene.progress(50, 60_000);
    await client.restart();
    await leader.restart({ signal });
    await client.restart();
    await scene.progress(50, 60_000);
  }
  await untilWhole(scene, cluster);
  const { check, outagesMs } = await concludeCluster(scene, cluster);
  return {
    injected,
    check,
    terms: { extraBound: scene.extraBound },
    outagesMs,
    limits: [
      atMost("outage max, ms", quantile(outagesMs, 1), budget.timeLimit(OUTAGE_LIMIT_MS)),
      atMost("replies refused or left", client.refused, 0),
      atLeast("callbacks of an earlier start", client.inherited, 1),
    ],
    notes: { "callbacks run twice": client.repeated, restarts: client.restarts },
  };
}
