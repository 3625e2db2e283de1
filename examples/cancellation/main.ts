// deno run --allow-net --allow-env=AMQP_URL examples/cancellation/main.ts
import { type CallContext, isRpcError, RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

const handlers = {
  /** A busy loop that looks now and then whether anybody still waits. */
  async dig(depth: number, context: CallContext): Promise<number> {
    for (let reached = 0; reached < depth; reached++) {
      // Throws once the caller has given up, or its deadline is over.
      context.throwIfCancelled();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return depth;
  },
};

await main("cancellation/main.ts", async ({ url, queue = "dig_queue" }) => {
  await using server = await RpcServer.listen(url, { queue, handlers });
  await using client = await RpcClient.connect<typeof handlers>(url, { queue });

  // By a signal: of a button, of an HTTP request that was closed, or of a time.
  const signal = AbortSignal.timeout(100);
  await client.call("dig", 1_000, { signal })
    .catch((error: Error) => console.log(`Given up: ${error.name}`));

  // By a deadline, which travels with the request: the server keeps it, too.
  await client.call("dig", 1_000, { timeoutMs: 100 }).catch((error: unknown) => {
    if (isRpcError(error, "timeout")) console.log(`Too late: ${error.code}`);
  });

  // The server has let go of both.
  while (server.stats().active > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(`The server works on ${server.stats().active} requests`);
});
