/**
 * A server that shares its connection with a client, which floods another queue whenever it is asked
 * to: what does that cost the replies?
 */

import { RpcClient, RpcConnection, RpcServer } from "../../mod.ts";
import { ExecutionLog } from "../checking/executions.ts";
import { obeyOwner, tell } from "./owner.ts";
import { readSettings } from "./settings.ts";
import { waiting } from "./work_handlers.ts";

/** What it is asked for. */
export interface FloodInput {
  /** How long it is to last, in milliseconds. */
  readonly ms: number;
  /** How many notifications wait for their confirms at any time. */
  readonly lanes: number;
  /** Bytes of each. */
  readonly size: number;
}

const { urls, queue, prefetch, executions, graceMs } = readSettings();
const connection = await RpcConnection.open(urls);
const flooded = `${queue}.flood`;
// It declares the queue; nobody is to serve it.
await (await RpcServer.listen(connection, { queue: flooded, handlers: { drop() {} } })).close();
const client = await RpcClient.connect(connection, { queue: flooded, onEvent: report });
const server = await RpcServer.listen(connection, {
  queue,
  prefetch,
  onEvent: report,
  handlers: { work: waiting(new ExecutionLog(executions)), flood },
});

/** Notifies as fast as the broker confirms, and tells how many it took. */
async function flood({ ms, lanes, size }: FloodInput): Promise<number> {
  const endsAt = performance.now() + ms;
  const input = "x".repeat(size);
  let notified = 0;
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (performance.now() < endsAt) {
      await client.notify("drop", input);
      notified++;
    }
  }));
  return notified;
}

function report(event: { readonly type: string }): void {
  if (event.type === "disconnected") tell({ type: "lost-connection" });
}

Deno.addSignalListener("SIGTERM", async () => {
  await server.close({ graceMs });
  await client.close();
  await connection.close();
  tell({ type: "closed" });
  Deno.exit(0);
});
obeyOwner();
tell({ type: "listening" });
