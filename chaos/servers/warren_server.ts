/** The server under test, in a process of its own: it can be killed, and asked to end in order. */

import { RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { ExecutionLog } from "../executions.ts";
import { obeyOwner, tell } from "./owner.ts";
import { readSettings } from "./settings.ts";
import { waiting } from "./work_handlers.ts";

const { urls, workers, graceMs, executions, ...settings } = readSettings();
const pool = workers === 0 ? undefined : await WorkerPool.open(
  new URL("./work_worker.ts", import.meta.url),
  { minWorkers: workers, maxWorkers: workers },
);
const server = await RpcServer.listen(urls, {
  ...settings,
  onEvent(event) {
    const isLoss = event.type === "disconnected" && event.connection === "consumer";
    // What it had in hand goes to another server.
    if (isLoss) tell({ type: "lost-connection" });
  },
  handlers: { work: waiting(new ExecutionLog(executions)), ...pool?.handlers() },
});

Deno.addSignalListener("SIGTERM", async () => {
  await server.close({ graceMs });
  await pool?.close();
  tell({ type: "closed", ...server.stats() });
  Deno.exit(0);
});
obeyOwner();
tell({ type: "listening" });
