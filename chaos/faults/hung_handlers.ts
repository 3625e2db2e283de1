/** R16: handlers that never settle, in every place of their servers, while others call. @module */

import { RpcError } from "../../mod.ts";
import type { Fault, RowFigures } from "../fault.ts";
import { atMost } from "../limits.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import type { Scene } from "../scene.ts";

const PREFETCH = 16;
const SERVERS = 2;
/** The deadline of a call that hangs; its place is free 500 ms later. */
const HANG_MS = 500;
/** A hung place holds others up for its deadline and its grace, and a load for its own calls. */
const OUTAGE_LIMIT_MS = 2_000;

/** Each round takes all places of all servers; half of its calls are cancelled, half time out. */
export const hungHandlers: Fault = {
  id: "R16",
  title: "handlers that never settle",
  seconds: 15,
  run,
};

async function run(scene: Scene): Promise<RowFigures> {
  const node = await scene.node();
  for (let n = 0; n < SERVERS; n++) {
    await scene.startServer({ urls: [node.url], prefetch: PREFETCH });
  }
  const innocent = await scene.connect(node.url);
  const client = await scene.connect(node.url);
  await scene.startLoad([innocent], { lanes: 8, maxWorkMs: 4 });
  const outcomes: Record<string, number> = {};
  let hung = 0;
  for (const _ of scene.budget.rounds({ full: 60, short: 3 })) {
    scene.inject();
    const calls = Array.from({ length: SERVERS * PREFETCH }, (_, n) => {
      const signal = n % 2 === 0 ? AbortSignal.timeout(HANG_MS / 2) : undefined;
      return client.call("hangs", null, { timeoutMs: HANG_MS, ...(signal && { signal }) });
    });
    hung += calls.length;
    for (const outcome of await Promise.allSettled(calls)) {
      const name = outcomeOf(outcome);
      outcomes[name] = (outcomes[name] ?? 0) + 1;
    }
    await scene.progress(50);
  }
  const outagesMs = scene.outages();
  const check = await scene.conclude(node);
  const { timeout = 0, cancelled = 0 } = outcomes;
  return {
    injected: hung,
    check,
    terms: { extraBound: scene.extraBound, maxExecutions: 1 },
    outagesMs,
    limits: [
      atMost("hung calls, not ended as asked", hung - timeout - cancelled, 0),
      atMost("outage max, ms", quantile(outagesMs, 1), scene.budget.timeLimit(OUTAGE_LIMIT_MS)),
    ],
    notes: { "timed out": timeout, "cancelled": cancelled },
  };
}

function outcomeOf(outcome: PromiseSettledResult<unknown>): string {
  if (outcome.status === "fulfilled") return "an output";
  const { reason } = outcome;
  if (reason instanceof RpcError) return reason.code;
  return reason instanceof DOMException ? "cancelled" : `${reason}`;
}
