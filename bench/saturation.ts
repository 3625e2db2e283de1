/**
 * `deno task bench:saturation [--seconds 60]`: keeps every worker of a server computing, and fails
 * unless its event loop stays under 20 ms late at p99, a short function answers within 20 ms at p99,
 * and no connection is lost with heartbeats of 2 s.
 *
 * @module
 */

import { RpcClient } from "../mod.ts";
import { type DelaySummary, summarize } from "./loop_delay.ts";
import { pause } from "../tools/time/waiting.ts";
import { ServerProcess } from "./server_process.ts";

const MAX_MS = 20;
/** Twice as many calls as workers, so that no worker ever waits for the next. */
const BUSY_CALLS = 2 * navigator.hardwareConcurrency;
/** About 100 ms of computing. */
const BUSY_INPUT = 33;

interface Report {
  readonly loop: DelaySummary;
  readonly disconnects: number;
}

type SaturationContract = {
  readonly ping: () => string;
  readonly watch: () => void;
  readonly report: () => Report;
  readonly slowFibonacci: (n: number) => number;
};

if (import.meta.main) {
  const url = Deno.env.get("AMQP_URL");
  if (url === undefined) {
    throw new Error("Cannot measure without a broker: run `deno task bench:saturation`");
  }
  Deno.exit(await saturate(url, readSeconds(Deno.args)) ? 0 : 1);
}

function readSeconds([option, value = "60"]: readonly string[]): number {
  const seconds = Number(value);
  if ((option === undefined || option === "--seconds") && seconds > 0) return seconds;
  throw new TypeError(`Cannot measure as the only option is --seconds: current value is ${option}`);
}

/** Prints what was measured; tells whether all limits were kept. */
async function saturate(url: string, seconds: number): Promise<boolean> {
  const queue = `bench-${crypto.randomUUID()}`;
  await using _server = await ServerProcess.start("saturated_server.ts", [url, queue]);
  await using client = await RpcClient.connect<SaturationContract>(url, { queue });
  const until = performance.now() + seconds * 1_000;
  let computed = 0;
  const keepBusy = async () => {
    while (performance.now() < until) {
      await client.call("slowFibonacci", BUSY_INPUT);
      computed++;
    }
  };
  const busy = Promise.all(Array.from({ length: BUSY_CALLS }, keepBusy));
  await client.call("watch");
  const pings: number[] = [];
  while (performance.now() < until) {
    const startedAt = performance.now();
    await client.call("ping");
    pings.push(performance.now() - startedAt);
    await pause(5);
  }
  const { loop, disconnects } = await client.call("report");
  await busy;
  say(`${seconds} s, ${navigator.hardwareConcurrency} workers, ${computed} calls computed`);
  const isKept = [
    judge("loop delay", loop),
    judge(`ping, ${pings.length} times`, summarize(pings)),
  ].every((kept) => kept);
  say(`connections lost: ${disconnects}, must be 0: ${disconnects === 0 ? "holds" : "MISSED"}`);
  say(`load average: ${Deno.loadavg().map((load) => load.toFixed(1)).join(", ")}`);
  return isKept && disconnects === 0;
}

function judge(what: string, { p50, p99, max }: DelaySummary): boolean {
  const isKept = p99 < MAX_MS;
  const [middle, most, all] = [p50, p99, max].map((ms) => ms.toFixed(1));
  const outcome = isKept ? "holds" : "MISSED";
  say(`${what}: p50 ${middle}, p99 ${most}, max ${all} ms; p99 must be < ${MAX_MS}: ${outcome}`);
  return isKept;
}

function say(line: string): void {
  console.log(line);
}
