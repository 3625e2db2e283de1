// deno run --allow-net --allow-env=AMQP_URL examples/durable_callbacks/main.ts
import { RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

const handlers = { print: (pages: number) => `${pages} pages are printed` };

await main("durable_callbacks/main.ts", async ({ url, queue = "print_queue" }) => {
  const options = {
    queue,
    // A queue that stays while nobody reads it: rpc.replies.<name>.
    replyQueue: { name: queue },
    // A secret that all starts of this program share, so that nobody else can run its callbacks.
    callbackKeys: ["an example of a key that is no secret"],
  };

  // A program that gives out work, and ends before it is done: no server is up yet.
  await RpcServer.listen(url, { queue, handlers }).then((server) => server.close());
  const first = await RpcClient.connect<typeof handlers>(url, options);
  first.registerCallback("printed", () => console.log("This is never seen"));
  first.callAsync("print", 12, "printed", { callbackContext: { order: 7 }, timeoutMs: 60_000 });
  await first.close();
  console.log("The first program has ended");

  await using _server = await RpcServer.listen(url, { queue, handlers });

  // Its next start gets the reply. By its name it finds the callback, which may run twice.
  await using second = await RpcClient.connect<typeof handlers>(url, options);
  const { promise, resolve } = Promise.withResolvers<void>();
  second.registerCallback("printed", (result, { context }) => {
    if (result.ok) console.log(`${result.output}, for ${JSON.stringify(context)}`);
    resolve();
  });
  await promise;
});
