/** The server under test, in a process of its own: it can be killed, and asked to end in order. */

import {
  RpcClient,
  RpcConnection,
  RpcServer,
  type RpcServerEvent,
  type RpcServerOptions,
} from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { sharesConnections } from "../clients/shared.ts";
import { ExecutionLog } from "../checking/executions.ts";
import { obeyOwner, tell } from "./owner.ts";
import { oversizeHandlers } from "./oversize_handlers.ts";
import { EXECUTIONS_VARIABLE, readSettings } from "./settings.ts";
import { SlotWatch } from "./slot_watch.ts";
import { waiting } from "./work_handlers.ts";

/** Little, so that a task that hoards has soon had enough. */
const MAX_PROCESS_MEMORY_MB = 64;

const { urls, workers, isolation, loopLimitMs, graceMs, executions, ...settings } = readSettings();
tell({ type: "starting" });
const pool = workers === 0 ? undefined : await WorkerPool.open(
  new URL("./work_worker.ts", import.meta.url),
  {
    minWorkers: workers,
    maxWorkers: workers,
    isolation,
    process: { permissions: { env: [EXECUTIONS_VARIABLE], write: [executions] } },
    ...(isolation === "process" && { maxWorkerMemoryMb: MAX_PROCESS_MEMORY_MB }),
    limits: { loops: { timeLimitMs: loopLimitMs } },
    onEvent: new SlotWatch(isolation).observe,
  },
);
const { heartbeatMs, connectTimeoutMs, confirmTimeoutMs, ...own } = settings;
const how = { heartbeatMs, connectTimeoutMs, confirmTimeoutMs, nodeOrder: "given" } as const;
const shared = sharesConnections() ? await RpcConnection.open(urls, how) : undefined;
// It has somebody to share with, who does nothing.
if (shared !== undefined) await RpcClient.connect(shared, { queue: own.queue });
const options: RpcServerOptions = {
  ...own,
  onEvent: report,
  handlers: {
    work: waiting(new ExecutionLog(executions)),
    echo: (input: unknown) => input,
    hangs: () => new Promise(() => {}),
    ...oversizeHandlers,
    ...pool?.handlers(),
  },
  // What names no procedure comes from strangers.
  defaultProcedure: "echo",
};
const server = shared === undefined
  ? await RpcServer.listen(urls, { ...options, ...how })
  : await RpcServer.listen(shared, options);

function isOfLoad(procedure: string | undefined): boolean {
  return procedure === "work" || procedure === "compute";
}

/** Tells the owner what is not everyday life. */
function report(event: RpcServerEvent): void {
  switch (event.type) {
    case "disconnected":
      return tell({ type: "lost-connection", detail: event.connection });
    case "served":
      if (isOfLoad(event.procedure) && event.outcome !== "crashed") return;
      return tell({ type: "served", detail: event.outcome });
    case "parked":
    case "parking-delayed":
    case "not-parked":
      return tell({ type: event.type, detail: event.code });
    case "unserved":
    case "consumer-cancelled":
      return tell({ type: event.type });
  }
}

Deno.addSignalListener("SIGTERM", async () => {
  await server.close({ graceMs });
  await shared?.close();
  await pool?.close();
  tell({ type: "closed", ...server.stats() });
  Deno.exit(0);
});
obeyOwner();
tell({ type: "listening" });
