// deno run --allow-net --allow-env=AMQP_URL examples/many_servers/main.ts
import { RpcClient, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

type WorkContract = { work: (n: number) => string };

function handlersOf(name: string) {
  const work = async (_n: number): Promise<string> => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return name;
  };
  return { work };
}

await main("many_servers/main.ts", async ({ url, queue = "work_queue" }) => {
  // Mostly three machines: all that they share is the name of the queue.
  const names = ["north", "east", "south"];
  await using servers = new AsyncDisposableStack();
  for (const name of names) {
    const handlers = handlersOf(name);
    servers.use(await RpcServer.listen(url, { queue, handlers, prefetch: 2 }));
  }
  await using client = await RpcClient.connect<WorkContract>(url, { queue });

  const shares = new Map<string, number>();
  for await (const name of client.map("work", Array(60).keys(), { concurrency: 6 })) {
    shares.set(name, (shares.get(name) ?? 0) + 1);
  }
  for (const name of names) console.log(`${name} served ${shares.get(name) ?? 0} calls`);
});
