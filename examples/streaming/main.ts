// deno run --allow-net --allow-env=AMQP_URL examples/streaming/main.ts
import { type CallContext, RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

const handlers = {
  /** Yields its items as they are found: the caller need not wait for the last one. */
  async *squares(count: number, context: CallContext) {
    for (let n = 1; n <= count; n++) {
      await Promise.resolve(); // here it would read a file, or ask a database
      context.progress(n / count);
      yield n * n;
    }
  },
};

await main("streaming/main.ts", async ({ url, queue = "squares_queue" }) => {
  await using _server = await RpcServer.listen(url, { queue, handlers });
  await using client = await RpcClient.connect<typeof handlers>(url, { queue });

  const onProgress = (done: unknown) => console.log(`${Math.round(Number(done) * 100)} % done`);
  for await (const square of client.stream("squares", 4, { onProgress })) console.log(square);

  // Whoever leaves the loop ends the generator on the server: this one would go on for long.
  let items = 0;
  for await (const _square of client.stream("squares", 1_000_000)) {
    if (++items === 1_000) break;
  }
  console.log(`Read ${items} of 1000000 items, and left`);
});
