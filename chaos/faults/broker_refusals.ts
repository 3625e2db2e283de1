/** R7: the broker takes connections, channels, consumers and queues away. @module */

import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { Rounds } from "../budget.ts";
import type { Fault, RowFigures } from "../fault.ts";
import type { LoadOptions } from "../load/load.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import type { Scene } from "../scene.ts";

interface Refusal {
  readonly title: string;
  readonly seconds: number;
  readonly rounds: Rounds;
  readonly limitMs: number;
  readonly load?: LoadOptions;
  readonly mayReject?: readonly string[];
  /** Prepares the broker. */
  readonly prepare?: (node: PrivateNode) => Promise<unknown>;
  readonly inject: (parts: {
    readonly scene: Scene;
    readonly node: PrivateNode;
    readonly proxy: FaultProxy;
  }) => unknown;
}

const CONSUMER_TIMEOUT_MS = 2_000;

const REFUSALS: readonly Refusal[] = [
  {
    title: "close_all_connections",
    seconds: 25,
    rounds: { full: 100, short: 2 },
    limitMs: 1_000,
    inject: ({ node }) => node.ctl("close_all_connections", "chaos"),
  },
  {
    title: "the request queue is deleted",
    seconds: 15,
    rounds: { full: 20, short: 1 },
    limitMs: 1_000,
    // What waits in a queue goes with it, and there is nobody to tell: such calls end by their time.
    // What comes while it goes is returned or refused. A notification that was confirmed just before
    // is gone without a trace, so there are none.
    load: { timeoutMs: 3_000, lanes: 8, kinds: ["call", "call", "call", "callback", "once"] },
    mayReject: ["timeout", "unroutable", "queue-full"],
    inject: ({ node, scene }) => node.ctl("delete_queue", scene.queue),
  },
  {
    title: "consumer_timeout",
    seconds: 20,
    rounds: { full: 5, short: 1 },
    limitMs: 1_000,
    load: { slowMs: 3 * CONSUMER_TIMEOUT_MS, lanes: 8 },
    async prepare(node) {
      await node.ctl(
        "eval",
        `application:set_env(rabbit, consumer_timeout, ${CONSUMER_TIMEOUT_MS}).`,
      );
      await node.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 1000).");
    },
    inject: ({ scene }) => scene.pause(3 * CONSUMER_TIMEOUT_MS),
  },
  {
    title: "channels are closed with 406",
    seconds: 10,
    rounds: { full: 50, short: 2 },
    limitMs: 1_000,
    inject: ({ proxy }) => proxy.spoilChannels(),
  },
];

/** All rows of R7. */
export const brokerRefusals: readonly Fault[] = REFUSALS.map((refusal) => ({
  id: "R7",
  title: refusal.title,
  seconds: refusal.seconds,
  isOfRelease: true,
  run: (scene) => run(scene, refusal),
}));

async function run(scene: Scene, refusal: Refusal): Promise<RowFigures> {
  const { budget, random } = scene;
  const { rounds, limitMs, load, mayReject = [], prepare, inject } = refusal;
  // Who changes the broker must not leave it to others.
  const node = prepare === undefined ? await scene.node() : await scene.startNode();
  await prepare?.(node);
  const proxy = scene.use(FaultProxy.start(node.url));
  const server = { urls: [proxy.url] };
  await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const client = await scene.connect(proxy.url);
  await scene.startLoad([client], load);
  let injected = 0;
  for (const _round of budget.rounds(rounds)) {
    scene.inject();
    injected++;
    await inject({ scene, node, proxy });
    await scene.progress(100 + random.below(200));
  }
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  return {
    injected,
    check,
    terms: { extraBound: scene.extraBound, mayReject },
    outagesMs,
    limits: [atMost("outage max, ms", quantile(outagesMs, 1), budget.timeLimit(limitMs))],
  };
}
