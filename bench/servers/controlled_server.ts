/**
 * One server with a pool, for measures of how it answers operators: `busy` keeps workers computing,
 * `echo` runs on the thread that talks to the broker, `memory` collects garbage first, `cpu` tells
 * the processor time of the process in microseconds.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import { RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";

const [url = "", queue = "", isolation = "", workers = "1"] = Deno.args;
const pool = await WorkerPool.open(new URL("./busy_worker.ts", import.meta.url), {
  isolation: isolation === "process" ? "process" : "thread",
  maxWorkers: Number(workers),
});
await RpcServer.listen(url, {
  queue,
  durability: "durable",
  control: "admin",
  log: false,
  handlers: {
    ...pool.handlers(),
    echo: (value: unknown) => value,
    memory: () => {
      // By a flag of V8 that whoever starts it has to give.
      const { gc } = globalThis as unknown as { gc: () => void };
      gc();
      return Deno.memoryUsage().heapUsed;
    },
    cpu: () => {
      const { user, system } = cpuUsage();
      return user + system;
    },
  },
});
console.log("ready");
