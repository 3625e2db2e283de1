/** Our server with the same procedures: `echo` inline, `busy` and `slowFibonacci` in a pool. @module */

import { type Durability, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";

const [url = "", queue = "", durability = "transient", workers = "2"] = Deno.args;
const pool = await WorkerPool.open(new URL("./busy_worker.ts", import.meta.url), {
  maxWorkers: Number(workers),
});
await RpcServer.listen(url, {
  queue,
  // The launcher of the benchmark passes one of the four.
  durability: durability as Durability,
  prefetch: 64,
  handlers: { echo: (input: unknown) => input, ...pool.handlers() },
  defaultProcedure: "echo",
});
console.log("ready");
