// deno run --allow-net --allow-env=AMQP_URL examples/first_call/client.ts 30
import { RpcClient } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { main } from "../command_line.ts";

/** Makes the remote function look like what it is: a call that takes time and may fail. */
class FibonacciRpcClient implements AsyncDisposable {
  readonly #client: RpcClient<FibonacciContract>;

  private constructor(client: RpcClient<FibonacciContract>) {
    this.#client = client;
  }

  static async connect(url: string, queue: string): Promise<FibonacciRpcClient> {
    return new FibonacciRpcClient(await RpcClient.connect<FibonacciContract>(url, { queue }));
  }

  call(n: number): Promise<number | bigint> {
    return this.#client.call("fibonacci", n, { timeoutMs: 10_000 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.close();
  }
}

await main("first_call/client.ts [n]", async ({ url, queue = "rpc_queue", args: [n = "30"] }) => {
  await using fibonacciRpc = await FibonacciRpcClient.connect(url, queue);
  console.log(`Asking for fibonacci(${n})`);
  console.log(`The answer is ${await fibonacciRpc.call(Number(n))}`);
});
