/** R1: servers die of SIGKILL in the middle of their work. @module */

import type { Fault, RowFigures } from "../fault.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Scene } from "../scene.ts";

const PREFETCH = 16;
const CALLS = 100_000;

/** Two servers share a queue; one after the other is killed and replaced. */
export const serverKills: Fault = {
  id: "R1",
  title: "a server is killed (SIGKILL)",
  seconds: 60,
  isOfRelease: true,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget } = scene;
  const node = await scene.node();
  const server = { urls: [node.url], prefetch: PREFETCH, workers: 1 };
  await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const clients = await Promise.all([scene.connect(node.url), scene.connect(node.url)]);
  await scene.startLoad(clients, { computeOneIn: 50 });
  let kills = 0;
  for (const round of budget.rounds({ full: 50, short: 4 })) {
    // Now and then nobody is left, and the requests wait for the next server.
    const victims = round % 5 === 4 ? scene.servers : [scene.random.pick(scene.servers)];
    scene.inject();
    await Promise.all(victims.map((victim) => victim.kill()));
    kills += victims.length;
    await Promise.all(victims.map(() => scene.startServer(server)));
    await scene.progress(100 + scene.random.below(400));
  }
  await scene.fill(CALLS);
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  return {
    injected: kills,
    check,
    terms: { extraBound: scene.extraBound, maxExecutions: 3 },
    outagesMs,
    limits: [
      atMost("outage p50, ms", quantile(outagesMs, 0.5), budget.timeLimit(300)),
      atMost("outage max, ms", quantile(outagesMs, 1), budget.timeLimit(1_000)),
    ],
  };
}
