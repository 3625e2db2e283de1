/** R12: clients that call as fast as they can, with nothing but our back-pressure to hold them. @module */

import { ClientProcess, type ClientTally } from "../processes/client_process.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atLeast, atMost, type Limit } from "../limits.ts";
import { queueDepth } from "../checking/queue_depth.ts";
import type { Scene } from "../scene.ts";

const MIB = 2 ** 20;
/** As many as amqplib carries without slowing down. */
const LANES = 500;
/** A process that only connects has 55 MiB; amqplib by hand took 97 for a window of as many. */
const MAX_MIB = 200;
/** By hand, amqplib does twice to three times as many on an idle machine of two cores. */
const MIN_NOTIFIED = 15_000;
const MIN_ANSWERED = 500;
const FULL = 1_000_000;
/** Time for which the full count would do, in milliseconds. */
const FULL_MS = 300_000;

/** Both ways to flood a queue. */
export const floods: readonly Fault[] = [
  { id: "R12", title: "a flood of notifications, no server", seconds: 18, run: notify },
  { id: "R12", title: "a flood of calls", seconds: 25, run: call },
];

/** Nobody consumes meanwhile, so the queue itself tells whether each one is there. */
async function notify(scene: Scene): Promise<RowFigures> {
  const { budget, queue } = scene;
  const node = await scene.node();
  await (await scene.startServer({ urls: [node.url] })).process.terminate();
  const count = budget.count({ full: FULL, short: 20_000 }, FULL_MS / 4);
  const settings = { url: node.url, queue, mode: "notify", count, lanes: LANES } as const;
  const client = scene.use(await ClientProcess.start(settings));
  const tally = await client.tally(600_000);
  const depth = await queueDepth(node, queue);
  await node.ctl("delete_queue", queue);
  return {
    injected: tally.begun,
    limits: [
      ...tallyLimits(tally),
      atLeast("in the queue, notifications", depth?.ready ?? NaN, count),
      atLeast(
        "confirmed, per second",
        count / tally.seconds,
        budget.isShort ? 500 : MIN_NOTIFIED,
      ),
    ],
    notes: { "client's memory before, MiB": tally.startRss / MIB },
  };
}

async function call(scene: Scene): Promise<RowFigures> {
  const { budget, queue } = scene;
  const node = await scene.node();
  const server = { urls: [node.url], prefetch: 256 };
  const servers = await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const count = budget.count({ full: FULL, short: 10_000 }, FULL_MS);
  const settings = { url: node.url, queue, mode: "call", count, lanes: LANES } as const;
  const client = scene.use(await ClientProcess.start(settings));
  const tally = await client.tally(900_000);
  const memories = await Promise.all(servers.map(({ process }) => process.memory()));
  return {
    injected: tally.begun,
    limits: [
      ...tallyLimits(tally),
      atMost("servers' memory, MiB", Math.max(...memories.map(({ rss }) => rss)) / MIB, MAX_MIB),
      atLeast(
        "answered, per second",
        count / tally.seconds,
        budget.isShort ? 100 : MIN_ANSWERED,
      ),
    ],
    notes: { "client's memory before, MiB": tally.startRss / MIB },
  };
}

function tallyLimits({ begun, answered, wrong, mostRss }: ClientTally): Limit[] {
  return [
    atMost("lost", begun - answered, 0),
    atMost("wrong", wrong, 0),
    atMost("client's memory, MiB", mostRss / MIB, MAX_MIB),
  ];
}
