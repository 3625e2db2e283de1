// deno run --allow-net --allow-env=AMQP_URL --allow-read=. examples/first_call/server.ts
import { RpcServer } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { main } from "../command_line.ts";

await main("first_call/server.ts", async ({ url, queue = "rpc_queue" }) => {
  const workerFile = new URL("../../workers/fibonacci.ts", import.meta.url);
  await using pool = await WorkerPool.open<FibonacciContract>(workerFile);
  await using server = await RpcServer.listen(url, {
    queue,
    handlers: pool.handlers(),
    // A request without a procedure name, as a client of RabbitMQ's tutorial sends it.
    defaultProcedure: "fibonacci",
    // A server of the tutorial may start second: it declares the queue without our argument.
    returns: false,
    // Ctrl-C and SIGTERM finish what is in hand.
    closeOnSignals: true,
  });
  console.log(`Serving fibonacci and slowFibonacci on queue "${queue}": Ctrl-C ends it`);

  let shown = "Served 0 outputs and 0 errors";
  const reporting = setInterval(() => {
    const { succeeded, failed } = server.stats();
    const news = `Served ${succeeded} outputs and ${failed} errors`;
    if (news !== shown) console.log(shown = news);
  }, 1_000);
  await server.finished;
  clearInterval(reporting);
});
