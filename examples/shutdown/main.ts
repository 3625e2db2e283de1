// deno run --allow-net --allow-env=AMQP_URL --allow-read=. examples/shutdown/main.ts
import { RpcClient, RpcServer } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { interrupted, main } from "../command_line.ts";

await main("shutdown/main.ts", async ({ url, queue = "shutdown_queue" }) => {
  const workerFile = new URL("../../workers/fibonacci.ts", import.meta.url);
  await using pool = await WorkerPool.open<FibonacciContract>(workerFile);
  await using server = await RpcServer.listen(url, { queue, handlers: pool.handlers() });
  await using client = await RpcClient.connect<FibonacciContract>(url, { queue });

  const calls = Array.from({ length: 8 }, () => client.call("slowFibonacci", 39));
  for (const call of calls) call.then(() => console.log("A call was answered"));
  const stop = interrupted();
  console.log(`Working on 8 calls: press Ctrl-C or run "kill ${Deno.pid}" to shut down`);

  const signal = await Promise.race([stop, Promise.all(calls)]);
  const { active } = server.stats();
  console.log(`${typeof signal === "string" ? signal : "Idle"}: ${active} requests are in hand`);

  // Takes no further request, works on those in hand, sends the replies, acknowledges, and only
  // then disconnects. What is not done in time goes back to the queue, for another server.
  await server.close({ graceMs: 30_000 });
  await Promise.all(calls);
  console.log("Every request in hand was answered: now this program may end");
});
