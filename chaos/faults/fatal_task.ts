/** R10: a task that ends the whole server, as a thread that runs out of memory does. @module */

import type { Fault, RowFigures } from "../fault.ts";
import {
  commit,
  countMisjudged,
  countMisparked,
  type Guilty,
  otherOutcomes,
  type Trial,
} from "../checking/guilty_calls.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Scene } from "../scene.ts";

const MAX_HEAP_MB = 64;
/** A server that finds a request to have been given back so often does not start it. */
const MAX_REDELIVERIES = 20;
const TIMEOUT_MS = 240_000;

const GUILTY: Guilty = {
  task: "runsOutOfMemory",
  code: "delivery-limit",
  deliveries: MAX_REDELIVERIES + 1,
};

/** A supervisor starts the server again each time, until the request is parked. */
export const fatalTask: Fault = {
  id: "R10",
  title: "a thread's task ends its server (OOM)",
  seconds: 10,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const node = await scene.node();
  const options = { urls: [node.url], workers: 2, maxHeapMb: MAX_HEAP_MB };
  let server = await scene.startServer(options);
  const innocent = await scene.connect(node.url);
  const client = await scene.connect(node.url);
  await scene.startLoad([innocent], {
    lanes: 8,
    maxWorkMs: 4,
    computeOneIn: 2,
    timeoutMs: TIMEOUT_MS,
  });
  let trial: Trial | undefined;
  const committing = commit(client, GUILTY, { timeoutMs: TIMEOUT_MS });
  const settled = committing.then((settled) => void (trial = settled));
  let deaths = 0;
  for (;;) {
    scene.inject();
    await Promise.race([server.died(), settled]);
    if (trial !== undefined || ++deaths > MAX_REDELIVERIES) break;
    server = await scene.startServer({ ...options, ready: "starting" });
  }
  await scene.progress(100);
  // Whoever goes on for too long has no outcome yet.
  await client.close({ graceMs: 0 });
  const outagesMs = scene.outages().slice(0, deaths);
  const check = await scene.conclude(node);
  const trials = [await committing];
  return {
    injected: deaths,
    check,
    terms: { extraBound: scene.extraBound },
    outagesMs,
    limits: [
      atMost("servers that died of one request", deaths, MAX_REDELIVERIES),
      atMost("guilty calls, not rejected as documented", countMisjudged(trials), 0),
      atMost(
        "guilty requests, not parked as documented",
        await countMisparked({ url: node.url, queue: scene.queue, trials }),
        0,
      ),
      atMost("outage max, ms", quantile(outagesMs, 1), scene.budget.timeLimit(5_000)),
    ],
    notes: otherOutcomes(trials),
  };
}
