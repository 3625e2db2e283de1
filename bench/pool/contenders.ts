/** The pools of the comparison behind one interface: two workers each, the same two tasks. */

import { Piscina } from "../../deps/piscina.ts";
import { FixedThreadPool } from "../../deps/poolifier.ts";
import { Tinypool } from "../../deps/tinypool.ts";
import { workerpool } from "../../deps/workerpool.ts";
import { WorkerPool } from "../../workers/mod.ts";

/** Runs one task in a worker. */
export type Run = (name: "add" | "fib", input: unknown) => Promise<unknown>;

/** A pool that is open. */
export interface Contender {
  readonly run: Run;
  close(): Promise<unknown>;
}

const SIZE = 2;

/** All pools by name, the limit first. */
export const CONTENDERS: Readonly<Record<string, () => Promise<Contender>>> = {
  "bare postMessage": openBare,
  "warren threads": () => openWarren("thread"),
  "warren processes": () => openWarren("process"),
  "piscina": openPiscina,
  "tinypool": openTinypool,
  "workerpool": openWorkerpool,
  "poolifier-web-worker": openPoolifier,
};

function here(file: string): URL {
  return new URL(file, import.meta.url);
}

async function openWarren(isolation: "thread" | "process"): Promise<Contender> {
  const pool = await WorkerPool.open(here("./warren_worker.ts"), { maxWorkers: SIZE, isolation });
  return { run: (name, input) => pool.run(name, input), close: () => pool.close() };
}

/**
 * What no pool can beat without batching: a message there, a message back, and no questions. It goes
 * to the worker with the least to do, so that a single caller always wakes the same thread.
 */
async function openBare(): Promise<Contender> {
  const workers = await Promise.all(Array.from({ length: SIZE }, startBare));
  let lastId = 0;
  return {
    run: (name, input) => {
      const { worker, pending } = workers.reduce((a, b) => b.pending.size < a.pending.size ? b : a);
      const id = ++lastId;
      worker.postMessage({ id, name, input });
      return new Promise((resolve) => pending.set(id, resolve));
    },
    close: () => Promise.resolve(workers.forEach(({ worker }) => worker.terminate())),
  };
}

async function startBare() {
  const worker = new Worker(here("./bare_worker.ts"), { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  const pending = new Map<number, (output: unknown) => void>();
  worker.onmessage = ({ data: { id, output } }) => {
    pending.get(id)?.(output);
    pending.delete(id);
  };
  return { worker, pending };
}

function openPiscina(): Promise<Contender> {
  const filename = here("./node_worker.ts").href;
  const pool = new Piscina({ filename, minThreads: SIZE, maxThreads: SIZE });
  return Promise.resolve({
    run: (name, input) => pool.run(input, { name }),
    close: () => pool.destroy(),
  });
}

function openTinypool(): Promise<Contender> {
  const filename = here("./node_worker.ts").href;
  const pool = new Tinypool({ filename, minThreads: SIZE, maxThreads: SIZE });
  return Promise.resolve({
    run: (name, input) => pool.run(input, { name }),
    close: () => pool.destroy(),
  });
}

function openWorkerpool(): Promise<Contender> {
  const pool = workerpool.pool(here("./workerpool_worker.ts").pathname, {
    minWorkers: SIZE,
    maxWorkers: SIZE,
    workerType: "thread",
  });
  return Promise.resolve({
    run: async (name, input) => await pool.exec(name, [input]),
    close: async () => await pool.terminate(),
  });
}

function openPoolifier(): Promise<Contender> {
  const pool = new FixedThreadPool<unknown, unknown>(SIZE, here("./poolifier_worker.ts"));
  return Promise.resolve({
    run: (name, input) => pool.execute(input, name),
    close: () => pool.destroy(),
  });
}
