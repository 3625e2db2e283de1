/**
 * Runs 1,000,000 tasks and 1,000 crashes through one pool, and fails unless memory stays flat and
 * no worker is lost: `deno run -A bench/pool_soak.ts [tasks] [crashes] [thread|process]`.
 *
 * @module
 */

import { WorkerPool } from "../workers/mod.ts";
import { until } from "../tools/time/waiting.ts";
import { callsPerSecond } from "./measure.ts";

/** Memory that may come on top of the first tenth's, in MiB. */
const MAX_GROWTH_MIB = 60;
const PARTS = 10;

if (import.meta.main) {
  const [tasks = "1000000", crashes = "1000", isolation = "thread"] = Deno.args;
  if (isolation !== "thread" && isolation !== "process") throw new TypeError(isolation);
  await soak(Number(tasks), Number(crashes), isolation);
}

async function soak(tasks: number, crashes: number, isolation: "thread" | "process") {
  const url = new URL("./pool/soak_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open(url, { maxWorkers: 2, isolation });
  let first = 0;
  for (let part = 1; part <= PARTS; part++) {
    const rate = await callsPerSecond(async (input) => {
      if (await pool.run("echo", input) !== input) throw new Error("a task got another's output");
    }, { count: tasks / PARTS, inFlight: 256 });
    await crash(pool, crashes / PARTS);
    const { rss, heapUsed } = Deno.memoryUsage();
    const memory = `rss ${mib(rss)}, heap ${mib(heapUsed)} MiB`;
    say(`${part * 100 / PARTS} %: ${Math.round(rate)} tasks/s, ${memory}`);
    if (part === 1) first = rss;
    else if (mib(rss) - mib(first) > MAX_GROWTH_MIB) throw new Error("memory grows");
  }
  const { idle, busy, zombies, backlog, done, crashes: counted } = pool.stats();
  say(JSON.stringify({ idle, busy, zombies, backlog, done, crashes: counted }));
  if (idle !== 2 || zombies !== 0 || counted !== crashes) throw new Error("a slot was lost");
}

/** Each crash is followed by a task, which waits for the new worker or runs on the other one. */
async function crash(pool: WorkerPool, count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const outcome = await pool.run("exit", undefined).then(() => "output", (error) => error.code);
    if (outcome !== "worker-crashed") throw new Error(`a crash ended as ${outcome}`);
    await Promise.all([1, 2].map((input) => pool.run("echo", input)));
  }
  await until(() => pool.stats().idle === 2, { limitMs: 60_000 });
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function say(line: string): void {
  console.log(line);
}
