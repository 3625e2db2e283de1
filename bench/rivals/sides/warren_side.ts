/**
 * One side of a call of ours: `warren_side.ts ROLE STYLE URL QUEUE DURABILITY`.
 *
 * Roles are `server` and `client`. Styles: `inline` and `pool` say where `echo` runs, `batched` is
 * inline with batches, `lanes` has `busy` in a queue of its own, `alone` is the pool without a broker.
 *
 * @module
 */

import { type Durability, RpcClient, RpcConnection, RpcServer } from "../../../mod.ts";
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
  const connection = await RpcConnection.open(url);
  const { busy } = pool.handlers();
  if (style === "lanes") {
    await RpcServer.listen(connection, { queue, ...declared, handlers: { echo } });
    await RpcServer.listen(connection, { queue: `${queue}.long`, ...declared, handlers: { busy } });
  } else {
    await RpcServer.listen(connection, { queue, ...declared, handlers: { echo, busy } });
  }
}

async function connect(): Promise<Called> {
  if (style === "alone") {
    const pool = await WorkerPool.open(WORKER, { maxWorkers: 2 });
    return { call: (procedure, input) => pool.run(procedure, input) };
  }
  const options = { maxPending: 200_000, batching: style === "batched" };
  if (style !== "lanes") return calling(await RpcClient.connect(url, { queue, ...options }));
  const connection = await RpcConnection.open(url);
  const short = calling(await RpcClient.connect(connection, { queue, ...options }));
  const long = calling(
    await RpcClient.connect(connection, { queue: `${queue}.long`, ...options }),
  );
  return {
    call: (procedure, input) => (procedure === "busy" ? long : short).call(procedure, input),
  };
}

function calling(client: RpcClient): Called {
  return {
    call: (procedure, input) => client.call(procedure, input, { timeoutMs: TIMEOUT_MS }),
  };
}
