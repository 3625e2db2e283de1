/** R19: one client floods the connection that it shares with a server. @module */

import type { Fault, RowFigures } from "../fault.ts";
import { now } from "../checking/history.ts";
import { atLeast, atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Scene } from "../scene.ts";
import type { FloodInput } from "../servers/flooding_server.ts";

/** As many as amqplib carries without slowing down. */
const LANES = 500;
const SIZE = 4_096;
const FLOOD_MS = 4_000;
/** A reply is written behind what has been published before it, and confirmed after it. */
const REPLY_LIMIT_MS = 10_000;

/** The load has a connection of its own, so that what it waits for is the reply. */
export const sharedFlood: Fault = {
  id: "R19",
  title: "a client floods the connection of a server",
  seconds: 20,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const { budget, queue } = scene;
  const node = await scene.node();
  const server = await scene.startServer({ urls: [node.url], program: "flooding_server.ts" });
  const client = await scene.connect(node.url);
  await scene.startLoad([client], { lanes: 4, maxWorkMs: 0, hasLargeBodies: false });
  const calm = await during(scene, () => scene.pause(FLOOD_MS / 2));
  let notified = 0;
  let rounds = 0;
  const flooded: number[] = [];
  for (const _ of budget.rounds({ full: 20, short: 1 })) {
    scene.inject();
    rounds++;
    const input: FloodInput = { ms: FLOOD_MS, lanes: LANES, size: SIZE };
    flooded.push(
      ...await during(scene, async () => {
        notified += Number(await client.call("flood", input, { timeoutMs: 60_000 }));
      }),
    );
  }
  const check = await scene.conclude(node);
  await node.ctl("delete_queue", `${queue}.flood`);
  return {
    injected: rounds,
    check,
    terms: { extraBound: 0, maxExecutions: 1 },
    limits: [
      atMost("connections lost", server.told("lost-connection"), 0),
      atLeast("notified", notified, LANES),
      atMost(
        "reply during the flood, max, ms",
        quantile(flooded, 1),
        budget.timeLimit(REPLY_LIMIT_MS),
      ),
    ],
    notes: {
      "notified, per second": notified / (rounds * FLOOD_MS / 1_000),
      "reply before, p50, ms": quantile(calm, 0.5),
      "reply before, p99, ms": quantile(calm, 0.99),
      "reply during the flood, p50, ms": quantile(flooded, 0.5),
      "reply during the flood, p99, ms": quantile(flooded, 0.99),
    },
  };
}

/** How long the calls took that were made while something went on, in milliseconds. */
async function during(scene: Scene, work: () => Promise<void>): Promise<number[]> {
  const first = scene.log.calls.length;
  const begin = now();
  await work();
  const end = now();
  return scene.log.calls.slice(first).flatMap(({ startedAt, settles: [settle] }) => {
    if (settle === undefined || startedAt < begin || startedAt > end) return [];
    return [settle.at - startedAt];
  });
}
