/**
 * `deno task bench`: round trip against amqplib by hand and the tutorial's code, short calls beside
 * saturated workers, and how the pool scales. Everything is measured in turn, in one run.
 *
 * @module
 */

import { RpcClient } from "../mod.ts";
import { AmqplibClient } from "./amqplib_client.ts";
import { type Caller, callInTurn, callsPerSecond } from "./measure.ts";
import { ServerProcess } from "./server_process.ts";
import { median, quantile } from "../tools/measuring/quantile.ts";

/** Few long rounds where throughput counts, many short ones where latencies are compared. */
const ROUNDS = 5;
const LATENCY_ROUNDS = 21;

interface Row {
  readonly what: string;
  readonly figure: string;
  readonly target: string;
}

const rows: Row[] = [];
const url = Deno.env.get("AMQP_URL");
if (url === undefined) throw new Error("Cannot measure without a broker: run `deno task bench`");

await measureRoundTrip(url);
await measureSaturation(url);
await measureScaling(url);
console.table(rows);

async function measureRoundTrip(url: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const hand = stack.use(await connectByHand(stack, url, "fast"));
  const tutorial = stack.use(await connectByHand(stack, url, "tutorial"));
  const warren = stack.use(await connectWarren(stack, url, "transient"));
  const quorum = stack.use(await connectWarren(stack, url, "replicated"));
  const callers: Record<string, Caller> = {
    "amqplib by hand, noDelay": (n) => hand.call("echo", n),
    "@warren/rpc, same queue": (n) => warren.call("echo", n),
    "@warren/rpc, quorum queue": (n) => quorum.call("echo", n),
  };
  const tutorialMs = median(await callInTurn((n) => tutorial.call("echo", n), 40));
  const sequential: Record<string, number[]> = {};
  const parallel: Record<string, number[]> = {};
  for (const call of Object.values(callers)) await callInTurn(call, 500);
  for (let round = 0; round < LATENCY_ROUNDS; round++) {
    for (const [name, call] of Object.entries(callers)) {
      (sequential[name] ??= []).push(median(await callInTurn(call, 200)));
    }
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, call] of Object.entries(callers)) {
      (parallel[name] ??= []).push(await callsPerSecond(call, { count: 4_000, inFlight: 64 }));
    }
  }
  report("tutorial's code, default socket options", `${perSecond(tutorialMs)} calls/s`);
  for (const name of Object.keys(callers)) {
    const ms = median(sequential[name] ?? []);
    const rate = median(parallel[name] ?? []);
    report(`${name}: one after the other`, `${perSecond(ms)} calls/s, ${ms.toFixed(3)} ms`);
    report(`${name}: 64 in flight`, `${Math.round(rate)} calls/s`);
  }
  const ratios = (sequential["@warren/rpc, same queue"] ?? []).map((ms, round) =>
    ms / (sequential["amqplib by hand, noDelay"]?.[round] ?? NaN)
  );
  report("round trip, ours : by hand", median(ratios).toFixed(2), "<= 1.50");
  const ours = median(sequential["@warren/rpc, same queue"] ?? []);
  report("rate, ours : tutorial's", (tutorialMs / ours).toFixed(0), ">= 40");
}

async function measureSaturation(url: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const warren = stack.use(await connectWarren(stack, url, "transient"));
  const hand = stack.use(await connectByHand(stack, url, "fast"));
  const [ours, theirs] = [
    await pingWhileBusy((n) => warren.call("echo", n), () => warren.call("busy", 250), 8_000),
    await pingWhileBusy((n) => hand.call("echo", n), () => hand.call("busy", 250), 4_000),
  ];
  report("short call, 2 workers saturated: p50", `${quantile(ours, 0.5).toFixed(2)} ms`);
  report(
    "short call, 2 workers saturated: p99",
    `${quantile(ours, 0.99).toFixed(2)} ms`,
    "< 25 ms",
  );
  report("the same by hand, computing on the loop: p50", `${quantile(theirs, 0.5).toFixed(0)} ms`);
}

/** Keeps two long calls computing and two waiting, and calls something short all the while. */
async function pingWhileBusy(ping: Caller, busy: Caller, ms: number): Promise<number[]> {
  const end = performance.now() + ms;
  const keepBusy = async () => {
    while (performance.now() < end) await busy(0);
  };
  const load = Promise.all(Array.from({ length: 4 }, keepBusy));
  const durations: number[] = [];
  while (performance.now() < end) durations.push(...await callInTurn(ping, 1));
  await load;
  return durations;
}

async function measureScaling(url: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await connectWarren(stack, url, "transient", 1));
  const two = stack.use(await connectWarren(stack, url, "transient", 2));
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const load = { count: 20, inFlight: 8 };
    const slow = await callsPerSecond(() => one.call("slowFibonacci", 34), load);
    const fast = await callsPerSecond(() => two.call("slowFibonacci", 34), load);
    ratios.push(fast / slow);
  }
  report("slowFibonacci(34), 2 workers : 1 worker", median(ratios).toFixed(2), ">= 1.70");
}

async function connectByHand(
  stack: AsyncDisposableStack,
  url: string,
  style: "fast" | "tutorial",
): Promise<AmqplibClient> {
  const queue = `bench-${crypto.randomUUID()}`;
  stack.use(await ServerProcess.start("amqplib_server.ts", [url, queue, style]));
  return await AmqplibClient.connect(url, { queue, noDelay: style === "fast" });
}

async function connectWarren(
  stack: AsyncDisposableStack,
  url: string,
  durability: string,
  workers = 2,
): Promise<RpcClient> {
  const queue = `bench-${crypto.randomUUID()}`;
  const args = [url, queue, durability, String(workers)];
  stack.use(await ServerProcess.start("warren_server.ts", args));
  return await RpcClient.connect(url, { queue });
}

function perSecond(ms: number): number {
  return Math.round(1_000 / ms);
}

function report(what: string, figure: string, target = ""): void {
  rows.push({ what, figure, target });
}
