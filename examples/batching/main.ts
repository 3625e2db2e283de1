// deno run --allow-net --allow-env=AMQP_URL examples/batching/main.ts
import { RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

const handlers = { double: (n: number) => 2 * n };
const CALLS = 5_000;

await main("batching/main.ts", async ({ url, queue = "double_queue" }) => {
  await using _server = await RpcServer.listen(url, { queue, handlers, prefetch: 500 });

  for (const batching of [false, true]) {
    // With batching, calls that are made at the same time share a message, and so do their replies.
    await using client = await RpcClient.connect<typeof handlers>(url, { queue, batching });
    await client.call("double", 0);
    const start = performance.now();
    const calls = Array.from({ length: CALLS }, (_, n) => client.call("double", n));
    const outputs = await Promise.all(calls);
    const perSecond = Math.round(CALLS / (performance.now() - start) * 1_000);
    const sum = outputs.reduce((a, b) => a + b);
    console.log(`${batching ? "with batching" : "one by one"}: sum ${sum}, ${perSecond} calls/s`);
  }
});
