// deno run --allow-net --allow-env=AMQP_URL examples/parallel_calls/main.ts (with first_call/server.ts running)
import { RpcClient } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { main } from "../command_line.ts";

await main(
  "parallel_calls/main.ts [calls]",
  async ({ url, queue = "rpc_queue", args: [count = "1000"] }) => {
    await using client = await RpcClient.connect<FibonacciContract>(url, { queue });
    const indexes = Array.from({ length: Number(count) }, (_, index) => index);

    const start = performance.now();
    // All are in flight at once, on one connection with one callback queue. Replies arrive in any
    // order; each finds its own call by its correlation id.
    const numbers = await Promise.all(indexes.map((n) => client.call("fibonacci", n)));
    const elapsedMs = Math.round(performance.now() - start);

    console.log(`${numbers.length} calls took ${elapsedMs} ms; ${client.pending} are pending`);
    console.log(
      `The last one is fibonacci(${numbers.length - 1}) = ${shorten(`${numbers.at(-1)}`)}`,
    );
  },
);

function shorten(digits: string): string {
  return digits.length <= 40 ? digits : `${digits.slice(0, 20)}… (${digits.length} digits)`;
}
