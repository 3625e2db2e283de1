// deno run --allow-net --allow-env=AMQP_URL examples/call_async/main.ts (with first_call/server.ts running)
import { type CallResult, RpcClient } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { main } from "../command_line.ts";

await main("call_async/main.ts", async ({ url, queue = "rpc_queue" }) => {
  await using client = await RpcClient.connect<FibonacciContract>(url, {
    queue,
    onEvent(event) {
      // A callback that throws ends up here, and harms nobody else.
      if (event.type === "callback-failed") console.error("A callback failed:", event.error);
    },
  });

  function report(result: CallResult<number | bigint>): void {
    if (result.ok) console.log(`A callback got ${result.output}`);
    else console.log(`A callback got an error: ${result.error}`);
  }

  client.callAsync("fibonacci", 90, report);
  client.callAsync("fibonacci", -1, report);
  const correlationId = client.callAsync("slowFibonacci", 40, report);
  console.log("Three calls are on their way, and this line did not wait for them");

  client.cancel(correlationId);
  console.log(`Call ${correlationId} was taken back: its callback will never run`);
}); // Closing the client waits for the callbacks that are still due.
