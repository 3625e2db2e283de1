/**
 * What a worker costs, as thread and as process, and from which size on bodies should move:
 * `deno run -A bench/pool_costs.ts`.
 *
 * @module
 */

import { WorkerPool } from "../workers/mod.ts";
import { callInTurn, callsPerSecond } from "./measure.ts";
import { median } from "../tools/measuring/quantile.ts";

type Isolation = "thread" | "process";

const WORKER = new URL("./pool/soak_worker.ts", import.meta.url);
const ROUNDS = 5;

if (import.meta.main) {
  for (const isolation of ["thread", "process"] as const) await printCosts(isolation);
  await printCrossover();
}

async function printCosts(isolation: Isolation): Promise<void> {
  const starts: number[] = [];
  const memories: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await totalMemoryMib();
    const startedAt = performance.now();
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    starts.push(performance.now() - startedAt);
    await pool.run("echo", 1);
    memories.push(await totalMemoryMib() - before);
  }
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 2, isolation });
  const call = () => pool.run("echo", 1);
  await callsPerSecond(call, { count: 20_000, inFlight: 256 });
  const trips = await callInTurn(call, 5_000);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rates.push(await callsPerSecond(call, { count: 30_000, inFlight: 256 }));
  }
  say(
    `${isolation}: ready after ${median(starts).toFixed(0)} ms, holds ${
      median(memories).toFixed(0)
    } MiB, round trip ${(median(trips) * 1_000).toFixed(0)} µs, ${
      Math.round(median(rates) / 1_000)
    }k tasks/s at 256 in flight on 2 workers`,
  );
}

/** Of this process and its children, shared pages counted once. */
async function totalMemoryMib(): Promise<number> {
  let kib = 0;
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await Deno.readTextFile(`/proc/${name}/status`).catch(() => "");
    const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
    if (Number(name) !== Deno.pid && parent !== Deno.pid) continue;
    const rollup = await Deno.readTextFile(`/proc/${name}/smaps_rollup`).catch(() => "");
    kib += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return kib / 1_024;
}

/** What the owner's thread does for one body in and one out, as a string and as moved bytes. */
async function printCrossover(): Promise<void> {
  const code = "onmessage = ({ data }) => " +
    "typeof data === 'string' ? postMessage(data) : postMessage(data, [data.buffer])";
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const encoder = new TextEncoder();
  for (const size of [1, 2, 4, 8, 16, 32, 64].map((kib) => kib * 1_024)) {
    const delivery = encoder.encode("x".repeat(size));
    const asString = await trip(worker, () => {
      worker.postMessage(decoder.decode(delivery));
    }, (data) => encoder.encode(String(data)));
    const moved = await trip(worker, () => {
      const copy = new Uint8Array(delivery);
      worker.postMessage(copy, [copy.buffer]);
    }, () => undefined);
    say(`${size / 1_024} KiB: string ${asString.toFixed(1)} µs, moved ${moved.toFixed(1)} µs`);
  }
  worker.terminate();
}

/** Microseconds of processor time on this side, for one message there and back. */
async function trip(
  worker: Worker,
  post: () => void,
  take: (data: unknown) => unknown,
): Promise<number> {
  const count = 4_000;
  const results: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await threadMicroseconds();
    await new Promise<void>((resolve) => {
      let [sent, received] = [0, 0];
      worker.onmessage = ({ data }) => {
        take(data);
        if (++received === count) resolve();
        else if (sent < count) sent++, post();
      };
      for (; sent < 8; sent++) post();
    });
    results.push((await threadMicroseconds() - before) / count);
  }
  return median(results);
}

async function threadMicroseconds(): Promise<number> {
  const text = await Deno.readTextFile(`/proc/self/task/${Deno.pid}/schedstat`);
  return Number(text.split(" ")[0]) / 1_000;
}

function say(line: string): void {
  console.log(line);
}
