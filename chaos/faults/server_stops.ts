/** R11: servers are asked to end in the middle of their work, as in a rolling update. @module */

import type { Fault, RowFigures } from "../fault.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Scene } from "../scene.ts";

const GRACE_MS = 10_000;

/** Two servers share a queue; one after the other gets SIGTERM, and its successor is there already. */
export const serverStops: Fault = {
  id: "R11",
  title: "a server is stopped (SIGTERM)",
  seconds: 40,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget, random } = scene;
  const node = await scene.node();
  const server = { urls: [node.url], workers: 1, graceMs: GRACE_MS };
  await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const client = await scene.connect(node.url);
  await scene.startLoad([client], { lanes: 48, maxWorkMs: 40, computeOneIn: 50 });
  const codes: number[] = [];
  const endedMs: number[] = [];
  for (const _round of budget.rounds({ full: 50, short: 4 })) {
    const leaving = random.pick(scene.servers);
    await scene.startServer(server);
    scene.inject();
    const { code, ms } = await leaving.process.terminate();
    codes.push(code);
    endedMs.push(ms);
    await scene.progress(random.below(200));
  }
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  return {
    injected: codes.length,
    check,
    // What a server has seen it also finishes, so nothing may be repeated.
    terms: { extraBound: 0, maxExecutions: 1 },
    outagesMs,
    limits: [
      atMost("ended otherwise than with 0", codes.filter((code) => code !== 0).length, 0),
      atMost("ended within, ms", quantile(endedMs, 1), GRACE_MS),
      atMost("outage max, ms", quantile(outagesMs, 1), budget.timeLimit(1_000)),
    ],
    // RabbitMQ takes what is on its way to a consumer that cancels back, and calls it redelivered.
    notes: { "redelivered, before any server had seen it": check.redelivered },
  };
}
