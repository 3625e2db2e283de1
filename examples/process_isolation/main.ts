// deno run --allow-net --allow-env=AMQP_URL --allow-read --allow-run=sh examples/process_isolation/main.ts
import { RpcClient, type RpcError, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { main } from "../command_line.ts";
import type { FragileContract } from "./fragile_worker.ts";

await main("process_isolation/main.ts", async ({ url, queue = "fragile_queue" }) => {
  const workerFile = new URL("./fragile_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open<FragileContract>(workerFile, {
    isolation: "process",
    maxWorkers: 1,
    maxWorkerMemoryMb: 256,
  });
  await using _server = await RpcServer.listen(url, {
    queue,
    handlers: pool.handlers(),
    maxDeliveries: 1, // a request that kills its worker is not tried again
  });
  await using client = await RpcClient.connect<FragileContract>(url, { queue });

  const tell = (error: RpcError) => console.log(`${error.code}: ${error.message.split("\n")[0]}`);
  await client.api.readPasswords().catch(tell);
  await client.api.crash().catch(tell);
  // The worker that died was replaced.
  console.log(`The square of 12 is ${await client.api.square(12)}`);
});
