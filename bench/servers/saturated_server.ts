/**
 * A server that watches its own event loop: `ping`, `watch` and `report` are functions of the thread
 * that talks to RabbitMQ, `slowFibonacci` runs in a pool with a worker for each core.
 *
 * @module
 */

import { RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { LoopDelay } from "../loop_delay.ts";

const [url = "", queue = ""] = Deno.args;
const loop = new LoopDelay();
const pool = await WorkerPool.open(new URL("./busy_worker.ts", import.meta.url));
let disconnects = 0;
await RpcServer.listen(url, {
  queue,
  durability: "transient",
  heartbeatMs: 2_000,
  prefetch: 64,
  handlers: {
    ...pool.handlers(),
    ping: () => "pong",
    watch: () => loop.start(),
    report: () => ({ loop: loop.stop(), disconnects }),
  },
  onEvent: ({ type }) => {
    if (type === "disconnected") disconnects++;
  },
});
console.log("ready");
