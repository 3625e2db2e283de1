/** R6: the network between clients, servers and the broker stalls, breaks and crawls. @module */

import type { Fault, RowFigures } from "../fault.ts";
import type { LoadOptions } from "../load/load.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import type { Scene } from "../scene.ts";

/** Short, so that many stalls fit into a run; nothing else depends on it. */
const HEARTBEAT_MS = 1_000;
/** Three heartbeats until it is noticed, and a second to connect again. */
const STALL_LIMIT_MS = 3 * HEARTBEAT_MS + 1_000;

interface NetworkFault {
  readonly title: string;
  readonly seconds: number;
  /** Breaks one side's network. */
  readonly break: (proxy: FaultProxy) => void | Promise<void>;
  /** Longest outage, in milliseconds. */
  readonly limitMs: number;
  /** How long it lasts if it does not end by itself. */
  readonly lastsMs?: number;
  readonly load?: LoadOptions;
}

const KINDS: readonly NetworkFault[] = [
  stall("both"),
  stall("up"),
  stall("down"),
  { title: "connections are cut", seconds: 7, break: (proxy) => proxy.cut(), limitMs: 1_000 },
  { title: "connections are reset", seconds: 7, break: (proxy) => proxy.reset(), limitMs: 1_000 },
  slow("latency of 200 ms", { latencyMs: 200 }, 2_000),
  slow("packets of 3 bytes", { sliceBytes: 3 }, 2_000),
  // 150 kB take 1.2 s each way, and wait for each other.
  slow("bandwidth of 128 kB/s", { bytesPerSecond: 131_072 }, 10_000),
];

/** All rows of R6. */
export const networkFaults: readonly Fault[] = KINDS.map((kind) => ({
  id: "R6",
  title: kind.title,
  seconds: kind.seconds,
  run: (scene) => run(scene, kind),
}));

function stall(direction: "both" | "up" | "down"): NetworkFault {
  const title = direction === "both" ? "the network stalls, both ways" : `it stalls, ${direction}`;
  return { title, seconds: 14, break: (proxy) => proxy.stall(direction), limitMs: STALL_LIMIT_MS };
}

function slow(
  title: string,
  shape: Parameters<FaultProxy["shape"]>[0],
  limitMs: number,
): NetworkFault {
  return { title, seconds: 6, break: (proxy) => proxy.shape(shape), limitMs, lastsMs: 1_000 };
}

async function run(scene: Scene, kind: NetworkFault): Promise<RowFigures> {
  const { budget, random } = scene;
  const node = await scene.node();
  const [near, far] = [0, 1].map(() => scene.use(FaultProxy.start(node.url)));
  if (near === undefined || far === undefined) throw new Error("Cannot run without proxies");
  const server = { urls: [far.url], heartbeatMs: HEARTBEAT_MS };
  await Promise.all([scene.startServer(server), scene.startServer(server)]);
  const client = await scene.connect(near.url, { heartbeatMs: HEARTBEAT_MS });
  await scene.startLoad([client], kind.load);
  let injected = 0;
  for (const _round of budget.rounds({ full: 20, short: 1 })) {
    // The client's side, the servers', or both at once.
    const broken = random.pick([[near], [far], [near, far]]);
    scene.inject();
    injected++;
    await Promise.all(broken.map(kind.break));
    if (kind.lastsMs !== undefined) await scene.pause(kind.lastsMs);
    for (const proxy of broken) proxy.shape();
    await scene.progress(100 + random.below(200));
  }
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  return {
    injected,
    check,
    terms: { extraBound: scene.extraBound },
    outagesMs,
    limits: [atMost("outage max, ms", quantile(outagesMs, 1), budget.timeLimit(kind.limitMs))],
  };
}
