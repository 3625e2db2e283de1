/**
 * One side of a call of ours: `warren_side.ts ROLE STYLE URL QUEUE DURABILITY`.
 *
 * Roles are `server` and `client`. Styles: `inline` and `pool` say where `echo` runs, `batched` is
 * inline with batches, `lanes` has `echo` in a queue of its own, `alone` is the pool without a broker.
 *
 * @module
 */

import { type Durability, RpcClient, RpcServer } from "../../../mod.ts";
import { WorkerPool } from "../../../workers/mod.ts";
import { obeyOrders } from "./orders.js";
import { procedures } from "./procedures.js";

/** What {@link obeyOrders} calls. */
interface Called {
  call(procedure: string, input: unknown): Promise<unknown>;
}

const WORKER = new URL("./warren_worker.ts", import.meta.url);
const TIMEOUT_MS = 600_000;

const [role, style = "", url = "", queue = "", durability = ""] = Deno.args;
const quickQueue = `${queue}.quick`;
if (role === "server") {
  await serve();
  console.log("ready");
} else {
  await obeyOrders(await connect());
}

async function serve(): Promise<void> {
  if (style === "alone") return;
  // The launcher passes one of them.
  const declared = { durability: durability as Durability };
  const { echo, hang } = procedures;
  if (style === "inline" || style === "batched") {
    const prefetch = style === "batched" ? 2_000 : 256;
    await RpcServer.listen(url, { queue, ...declared, prefetch, handlers: { echo, hang } });
    return;
  }
  const pool = await WorkerPool.open(WORKER, { maxWorkers: 2 });
  if (style === "pool") {
    await RpcServer.listen(url, { queue, ...declared, prefetch: 256, handlers: pool.handlers() });
    return;
  }
  const { busy } = pool.handlers();
  const queues = style === "lanes" ? { [quickQueue]: {} } : {};
  await RpcServer.listen(url, { queue, queues, ...declared, handlers: { echo, busy } });
}

async function connect(): Promise<Called> {
  if (style === "alone") {
    const pool = await WorkerPool.open(WORKER, { maxWorkers: 2 });
    return { call: (procedure, input) => pool.run(procedure, input) };
  }
  const client = await RpcClient.connect(url, {
    queue,
    maxPending: 200_000,
    batching: style === "batched",
    ...style === "lanes" && { route: (name) => name === "echo" ? quickQueue : undefined },
  });
  return {
    call: (procedure, input) => client.call(procedure, input, { timeoutMs: TIMEOUT_MS }),
  };
}
