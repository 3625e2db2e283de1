/** Measures what the simulation is given, and what it is compared with. @module */

import { pid } from "node:process";
import { RpcClient } from "../../mod.ts";
import { median } from "../../tools/measuring/quantile.ts";
import { ServerProcess } from "../server_process.ts";
import { listenerOn, processorMs, residentBytes } from "./process_cost.ts";
import { type Costs, simulate } from "./rpc_system.ts";

/** How long each task sleeps, in milliseconds, and how many a server has in hand. */
export const TASK_MS = 20;
export const PREFETCH = 4;

/** What was measured on one machine. */
export interface Measured {
  readonly costs: Costs;
  /** How long a task of {@link TASK_MS} takes, in milliseconds: timers are late. */
  readonly taskMs: number;
  /** What a client costs the broker that does nothing. */
  readonly idle: { readonly brokerMsPerSecond: number; readonly brokerBytes: number };
}

/** A number of servers, measured and simulated. */
export interface Check {
  readonly servers: number;
  /** Calls a second. */
  readonly measured: number;
  readonly simulated: number;
}

/** How much is done: 1 for all of it. */
export interface MeasureOptions {
  readonly url: string;
  readonly share: number;
  readonly say: (line: string) => void;
}

const BUSY_CALLS = 20_000;
const LONE_CALLS = 400;
const ROUNDS = 3;
const ROUND_MS = 4_000;
const IDLE_CLIENTS = 200;
const IDLE_MS = 15_000;

/** Measures costs, one server at a time. */
export async function measureCosts({ url, share, say }: MeasureOptions): Promise<Measured> {
  const broker = await listenerOn(Number(new URL(url).port || 5672));
  const queue = queueName();
  await using _server = await ServerProcess.start("sleeping_server.ts", [url, queue, "64"]);
  await using client = await RpcClient.connect(url, { queue, log: false });
  const server = Number(await client.call("pid"));
  const sleep = (ms: number) => client.call("sleep", ms);
  await inFlight(64, 0.3 * BUSY_CALLS * share, () => sleep(0));
  const all =
    async () => [await processorMs(pid), await processorMs(broker), await processorMs(server)];
  const before = await all();
  await inFlight(64, BUSY_CALLS * share, () => sleep(0));
  const after = await all();
  const [clientMs = 0, brokerMs = 0, serverMs = 0] = after.map((ms, index) => {
    return (ms - (before[index] ?? 0)) / (BUSY_CALLS * share);
  });
  const found = await measureDelays({ clientMs, brokerMs, serverMs }, LONE_CALLS * share, sleep);
  say(`a call: ${JSON.stringify(found.costs)}`);
  const idle = await measureIdle({ url, share, say }, broker);
  return { ...found, idle };
}

/** Measures what passes while nobody computes, with one call at a time. */
async function measureDelays(
  costs: Omit<Costs, "hopMs">,
  count: number,
  sleep: (ms: number) => Promise<unknown>,
): Promise<Pick<Measured, "costs" | "taskMs">> {
  const { clientMs, brokerMs, serverMs } = costs;
  const loneMs = await lone(count, () => sleep(0));
  const taskMs = await lone(count / 4, () => sleep(TASK_MS)) - loneMs;
  // Three of the broker's four parts are on the way of a call, and so are four hops.
  const hopMs = Math.max(0, (loneMs - clientMs - 0.75 * brokerMs - serverMs) / 4);
  return { costs: { ...costs, hopMs }, taskMs };
}

/**
 * Measures so many servers, and simulates them. What a machine does beside it changes from minute to
 * minute: before each round, one call at a time tells how long messages and timers take.
 */
export async function check(
  servers: number,
  { costs }: Measured,
  { url, share, say }: MeasureOptions,
): Promise<Check> {
  const queue = queueName();
  await using stack = new AsyncDisposableStack();
  const args = [url, queue, String(PREFETCH)];
  for (let server = 0; server < servers; server++) {
    stack.use(await ServerProcess.start("sleeping_server.ts", args));
  }
  const client = stack.use(await RpcClient.connect(url, { queue, log: false }));
  const load = { inFlight: 2 * servers * PREFETCH };
  const [measured, simulated]: [number[], number[]] = [[], []];
  const sleep = (ms: number) => client.call("sleep", ms);
  const work = () => sleep(TASK_MS);
  await forTime(load.inFlight, 1_000, work);
  for (let round = 0; round < ROUNDS; round++) {
    const delays = await measureDelays(costs, LONE_CALLS / 2 * share, sleep);
    const ms = ROUND_MS * share;
    measured.push(await forTime(load.inFlight, ms, work) / ms * 1_000);
    const outcome = simulate({
      ...{ ...delays, servers, load, prefetch: PREFETCH, queues: 1, brokerCores: 1 },
      sharedCores: navigator.hardwareConcurrency,
      forMs: 5_000,
    });
    simulated.push(outcome.perSecond);
  }
  const found = { servers, measured: median(measured), simulated: median(simulated) };
  say(`${servers} servers: ${found.measured} calls/s, simulated ${found.simulated}`);
  return found;
}

/** Connects clients that do nothing but what clients do by themselves. */
async function measureIdle({ url, share, say }: MeasureOptions, broker: number) {
  const queue = queueName();
  const restMs = await during(broker, IDLE_MS * share);
  const bytesBefore = await residentBytes(broker);
  await using stack = new AsyncDisposableStack();
  for (let client = 0; client < IDLE_CLIENTS; client++) {
    stack.use(await RpcClient.connect(url, { queue, log: false }));
  }
  const brokerBytes = (await residentBytes(broker) - bytesBefore) / IDLE_CLIENTS;
  const idleMs = await during(broker, IDLE_MS * share);
  const brokerMsPerSecond = Math.max(0, idleMs - restMs) / IDLE_CLIENTS / (IDLE_MS * share) * 1_000;
  say(`an idle client: ${brokerMsPerSecond} ms/s and ${brokerBytes} bytes of the broker`);
  return { brokerMsPerSecond, brokerBytes };
}

/** The processor time that a process takes meanwhile. */
async function during(process: number, ms: number): Promise<number> {
  const before = await processorMs(process);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return await processorMs(process) - before;
}

/** The mean, as it is means that make throughput. */
async function lone(count: number, work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  let made = 0;
  while (made++ < count) await work();
  return (performance.now() - startedAt) / (made - 1);
}

async function inFlight(lanes: number, count: number, work: () => Promise<unknown>): Promise<void> {
  let made = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (made++ < count) await work();
  }));
}

/** Keeps so many calls in flight, and counts those that end in time. */
async function forTime(lanes: number, ms: number, work: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + ms;
  let ended = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (performance.now() < end) {
      await work();
      if (performance.now() < end) ended++;
    }
  }));
  return ended;
}

function queueName(): string {
  return `bench.${crypto.randomUUID()}`;
}
