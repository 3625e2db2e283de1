// deno run --allow-net --allow-env=AMQP_URL examples/lanes/main.ts
import { RpcClient, RpcServer, shardOf } from "../../mod.ts";
import { main } from "../command_line.ts";

const SHARDS = 2;

const handlers = {
  report: async (_month: number) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return "done";
  },
  ping: () => "pong",
  add: (entry: { readonly account: string }) => `${entry.account} has it`,
};

await main("lanes/main.ts", async ({ url, queue = "ledger" }) => {
  const shards = Array.from({ length: SHARDS }, (_, shard) => `${queue}.${shard}`);
  // A lane for what must answer at once, and shards for what one queue might not carry.
  await using _server = await RpcServer.listen(url, {
    queue,
    queues: {
      [`${queue}.quick`]: { procedures: ["ping"] },
      ...Object.fromEntries(shards.map((name) => [name, { procedures: ["add" as const] }])),
    },
    handlers,
    prefetch: 4,
  });
  await using client = await RpcClient.connect<typeof handlers>(url, {
    queue,
    route(procedure, input) {
      if (procedure === "ping") return `${queue}.quick`;
      if (procedure !== "add") return undefined;
      const { account } = input as { account: string };
      return shards[shardOf(account, SHARDS)];
    },
  });

  const reports = Array.from({ length: 40 }, (_, month) => client.call("report", month));
  console.log(`${await client.call("ping")}, while ${client.pending} reports are awaited`);
  for (const account of ["ada", "bob", "cyd", "ada"]) {
    const done = await client.call("add", { account });
    console.log(`${done}, in shard ${shardOf(account, SHARDS)}`);
  }
  console.log(`${(await Promise.all(reports)).length} reports are done`);
});
