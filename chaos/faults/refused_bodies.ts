/** R18: bodies that the broker refuses for their size, in every place, among the calls. @module */

import { type RpcClient, RpcError } from "../../mod.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atMost } from "../limits.ts";
import type { Scene } from "../scene.ts";

const MAX_BYTES = 2 ** 20;
/** The servers and clients would send these. */
const LARGE_BYTES = 2 * MAX_BYTES;
const LANES = 8;
/** Innocent calls of the client that sends a body that is too large, before and behind it. */
const BESIDE = 20;
const TIMEOUT_MS = 10_000;

/** RabbitMQ closes the channel for such a body; nobody else may notice. */
export const refusedBodies: Fault = {
  id: "R18",
  title: "bodies that the broker refuses",
  seconds: 20,
  isOfRelease: true,
  run,
};

/** Ways to have a body refused; each must reject with `too-large`. */
const GUILTY: readonly ((client: RpcClient) => Promise<unknown>)[] = [
  (client) => client.call("echo", "x".repeat(LARGE_BYTES)),
  (client) => client.notify("echo", new Uint8Array(LARGE_BYTES)),
  (client) => client.call("grow", LARGE_BYTES),
  (client) => client.call("failAtLength", LARGE_BYTES),
  (client) => Array.fromAsync(client.stream("pour", LARGE_BYTES)),
  (client) => client.call("tellAtLength", LARGE_BYTES, { onProgress: () => {} }),
];

async function run(scene: Scene): Promise<RowFigures> {
  const { budget } = scene;
  const node = await scene.startNode(`max_message_size = ${MAX_BYTES}`);
  const urls = [node.url];
  const servers = await Promise.all([scene.startServer({ urls }), scene.startServer({ urls })]);
  let losses = 0;
  const connect = () =>
    scene.connect(node.url, {
      timeoutMs: TIMEOUT_MS,
      onEvent: ({ type }) => {
        if (type === "disconnected") losses++;
      },
    });
  const clients = await Promise.all([connect(), connect()]);
  await scene.startLoad(clients, { lanes: LANES });
  const trials: Trial[] = [];
  for (const round of budget.rounds({ full: 60, short: 6 })) {
    scene.inject();
    // A client that is new does not know the limit; those of the load learn it once.
    const client = round % 3 === 0 ? clients[0] ?? await connect() : await connect();
    trials.push(...await Promise.all(GUILTY.map((commit) => tryOne(client, commit))));
    await scene.progress(20);
  }
  // Each limit is learned once; what was before the body on its channel may be sent again.
  const learned = clients.length + servers.length;
  const told = (what: string) => servers.reduce((sum, server) => sum + server.told(what), 0);
  const check = await scene.conclude(node);
  const refusedMs = trials.map(({ ms }) => ms);
  return {
    injected: trials.length,
    check,
    terms: { extraBound: learned * LANES * clients.length, maxExecutions: 1 + learned },
    outagesMs: scene.outages(),
    limits: [
      atMost("guilty calls, not too-large", trials.filter(isMisjudged).length, 0),
      atMost("innocent calls beside, lost", trials.reduce((sum, { lost }) => sum + lost, 0), 0),
      atMost("connections lost by clients", losses, 0),
      atMost("connections lost by servers", told("lost-connection"), 0),
      atMost("parked, or given up", told("parked") + told("not-parked") + told("unserved"), 0),
      atMost("told after, ms", quantile(refusedMs, 1), budget.timeLimit(2_000)),
    ],
    notes: { "told after p50, ms": quantile(refusedMs, 0.5), ...otherOutcomes(trials) },
  };
}

/** A guilty call, and what became of it and of those beside it. */
interface Trial {
  readonly outcome: string;
  /** Calls of the same client that had no output. */
  readonly lost: number;
  readonly ms: number;
}

async function tryOne(
  client: RpcClient,
  commit: (client: RpcClient) => Promise<unknown>,
): Promise<Trial> {
  const before = callBeside(client);
  const start = performance.now();
  const guilty = commit(client).then(
    () => "an output",
    (error: unknown) => error instanceof RpcError ? error.code : `${error}`,
  );
  const behind = callBeside(client);
  const outcome = await guilty;
  const ms = performance.now() - start;
  return { outcome, ms, lost: await before + await behind };
}

/** Counts those without their output. */
async function callBeside(client: RpcClient): Promise<number> {
  const calls = Array.from({ length: BESIDE }, (_, n) => client.call("echo", n));
  const results = await Promise.allSettled(calls);
  return results.filter((result, n) => result.status === "rejected" || result.value !== n).length;
}

function isMisjudged({ outcome }: Trial): boolean {
  return outcome !== "too-large";
}

function otherOutcomes(trials: readonly Trial[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of trials.filter(isMisjudged)) {
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}
