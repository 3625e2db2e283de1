/** R10: tasks that throw, hang, hoard and end their workers, beside those of others. @module */

import type { RpcClient } from "../../mod.ts";
import type { Fault, RowFigures } from "../fault.ts";
import {
  commit,
  countMisjudged,
  countMisparked,
  type Guilty,
  otherOutcomes,
  slowestCall,
  type Trial,
} from "../checking/guilty_calls.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { PoolLosses } from "../checking/pool_losses.ts";
import type { Scene } from "../scene.ts";

const SHORT_LATE_MS = 30_000;
const WORKERS = 2;
const LOOP_LIMIT_MS = 2_000;
/** A thread that was given up goes on for so long; a process is killed. */
const LOOP_MS = { thread: LOOP_LIMIT_MS + 1_500, process: 3_600_000 } as const;
/** How long the pool may have too few workers after the loss of one; at worst, if cores are taken. */
const BACK_MS = 100;
const MAX_BACK_MS = 1_000;
/** How long the pool may take to have its workers, and to be rid of those that go on. */
const SETTLE_LIMIT_MS = 10_000;
/** The server's default. */
const MAX_DELIVERIES = 3;

/** Tasks that end no worker, and tasks that end theirs in either tier. */
const GUILTY: readonly Guilty[] = [
  { task: "throws", code: "handler-error" },
  { task: "rejects", code: "handler-error" },
  { task: "overflowsStack", code: "handler-error" },
  { task: "returnsFunction", code: "unencodable" },
  { task: "returnsHuge", code: "too-large" },
  { task: "exits", code: "worker-crashed", deliveries: MAX_DELIVERIES },
  { task: "exits", code: "worker-crashed", deliveries: 1, idempotent: false },
  { task: "exitsAsNode", code: "worker-crashed", deliveries: MAX_DELIVERIES },
  { task: "closes", code: "worker-crashed", deliveries: MAX_DELIVERIES },
];

/** Comes last, as a thread that was given up takes a core from whatever follows. */
const LOOPS: Guilty = { task: "loops", code: "timeout" };

/** A thread that does this ends the whole server: see fatal_task.ts. */
const OUT_OF_MEMORY: Guilty = {
  task: "runsOutOfMemory",
  code: "worker-crashed",
  deliveries: MAX_DELIVERIES,
};

const TIERS = [
  { isolation: "thread", title: "tasks go wrong in threads", guilty: [...GUILTY, LOOPS] },
  {
    isolation: "process",
    title: "tasks go wrong in processes",
    guilty: [...GUILTY, OUT_OF_MEMORY, LOOPS],
  },
] as const satisfies readonly Tier[];

interface Tier {
  readonly isolation: "thread" | "process";
  readonly title: string;
  readonly guilty: readonly Guilty[];
}

/** Rows of R10 that a server survives. */
export const workerFaults: readonly Fault[] = TIERS.map((tier) => ({
  id: "R10",
  title: tier.title,
  seconds: 25,
  run: (scene) => run(scene, tier),
}));

async function run(scene: Scene, { isolation, guilty }: Tier): Promise<RowFigures> {
  const { budget, random } = scene;
  const node = await scene.node();
  const options = { workers: WORKERS, isolation, loopLimitMs: LOOP_LIMIT_MS };
  const server = await scene.startServer({ urls: [node.url], ...options });
  const losses = PoolLosses.of(server);
  const innocent = await scene.connect(node.url);
  const client = await scene.connect(node.url);
  await scene.startLoad([innocent], { lanes: 16, maxWorkMs: 2, computeOneIn: 2 });
  const trials: Trial[] = [];
  await behave(client, guilty);
  for (const _round of budget.rounds({ full: 50, short: 1 })) {
    for (const one of guilty) {
      await scene.progress(10 + random.below(100));
      scene.inject();
      trials.push(await commit(client, one, { input: LOOP_MS[isolation] }));
    }
    // A task that loops is answered before its worker is given up.
    const expected = sumOf(trials, lossesOf);
    await scene.until(() => {
      return losses.lost >= expected && losses.missing === 0 && losses.zombies === 0;
    }, SETTLE_LIMIT_MS);
  }
  await scene.progress(100);
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  const lateMs = trials.map(({ guilty, ms }) => ms - runMsOf(guilty));
  const unexplained = losses.lost - sumOf(trials, lossesOf);
  const blamed = server.told("served crashed") - sumOf(trials, retriesOf);
  const misparked = await countMisparked({ url: node.url, queue: scene.queue, trials });
  return {
    injected: trials.length,
    check,
    // What waits in a worker that dies has not begun: nothing of the others is run twice.
    terms: { extraBound: 0 },
    outagesMs,
    limits: [
      atMost("guilty calls, not rejected as documented", countMisjudged(trials), 0),
      atMost(
        "guilty calls, rejected after the task limit, ms",
        quantile(lateMs, 1),
        // Some machines take seconds for the 200 MiB of one of the tasks.
        budget.isShort ? SHORT_LATE_MS : 1_000,
      ),
      atMost("guilty requests, not parked as documented", misparked, 0),
      atMost("workers, lost otherwise than by a guilty task", Math.abs(unexplained), 0),
      atMost("requests, wrongly blamed for a worker's death", Math.abs(blamed), 0),
      atMost("workers, not replaced", losses.missing, 0),
      atMost("threads, given up and not ended", losses.zombies, 0),
      atMost(
        "pool back to size p50, ms",
        quantile(losses.atOnceMs, 0.5),
        budget.timeLimit(BACK_MS),
      ),
      atMost(
        "pool back to size max, ms",
        quantile(losses.atOnceMs, 1),
        budget.timeLimit(MAX_BACK_MS),
      ),
      atMost("outage max, ms", quantile(outagesMs, 1), budget.timeLimit(1_000)),
    ],
    notes: {
      "workers lost": losses.lost,
      "workers that were replaced after a pause": losses.pausedMs.length,
      ...slowestCall(trials.filter(({ guilty }) => guilty.task !== "loops")),
      ...otherOutcomes(trials),
    },
  };
}

/** The pool learns that tasks are short which will end their workers: others wait behind them then. */
async function behave(client: RpcClient, guilty: readonly Guilty[]): Promise<void> {
  for (const { task, deliveries } of guilty) {
    if (deliveries !== undefined) await client.call(task, 0);
  }
}

function sumOf(trials: readonly Trial[], figureOf: (guilty: Guilty) => number): number {
  return trials.reduce((sum, { guilty }) => sum + figureOf(guilty), 0);
}

/** The last delivery of a request is answered; those before it give it back. */
function retriesOf({ deliveries = 1 }: Guilty): number {
  return deliveries - 1;
}

/** Each delivery of a task that ends its worker costs one; so does one that does not end. */
function lossesOf({ task, deliveries = 0 }: Guilty): number {
  return task === "loops" ? 1 : deliveries;
}

/** How long its runs may take: hoarding takes its time, and whatever else ends a worker does not. */
function runMsOf({ task, deliveries = 1 }: Guilty): number {
  return LOOP_LIMIT_MS * (task === "runsOutOfMemory" ? deliveries : 1);
}
