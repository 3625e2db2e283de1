// deno run --allow-net --allow-env=AMQP_URL --allow-read=. examples/own_worker/main.ts
import { RpcClient, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { main } from "../command_line.ts";
import type { PrimesContract } from "./primes_worker.ts";

const LIMIT = 8_000_000;
const STEP = 500_000;

await main("own_worker/main.ts", async ({ url, queue = "primes_queue" }) => {
  // The server's side: a worker file of your own, and its procedures on a queue.
  const workerFile = new URL("./primes_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open<PrimesContract>(workerFile);
  await using _server = await RpcServer.listen(url, { queue, handlers: pool.handlers() });

  // The client's side, mostly in another program: one call for each part of the work.
  await using client = await RpcClient.connect<PrimesContract>(url, { queue });
  console.log(`Counting the primes below ${LIMIT} with ${navigator.hardwareConcurrency} workers`);
  const parts: Promise<number>[] = [];
  for (let from = 0; from < LIMIT; from += STEP) {
    parts.push(client.call("countPrimes", { from, to: from + STEP }));
  }

  // Meanwhile this thread has nothing to do: its timers are never late.
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const counts = await Promise.all(parts);
  clearInterval(timer);
  console.log(`There are ${counts.reduce((sum, count) => sum + count, 0)}`);
  console.log(`A timer of this thread ticked ${ticks} times meanwhile`);
});
