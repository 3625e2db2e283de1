// deno run --allow-net --allow-env=AMQP_URL --allow-read=. examples/search.ts docs heartbeat
import { ProgressBar } from "../deps/std_cli.ts";
import { RpcClient, RpcServer } from "../mod.ts";
import { WorkerPool } from "../workers/mod.ts";
import { main } from "./command_line.ts";
import type { SearchContract } from "./search_worker.ts";

async function* filesIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    if (isDirectory) yield* filesIn(`${folder}/${name}`);
    else if (isFile && /\.(md|txt|ts)$/.test(name)) yield `${folder}/${name}`;
  }
}

await main(
  "search.ts [folder] [word]",
  async ({ url, queue = "search_queue", args: [folder = "docs", word = "heartbeat"] }) => {
    const workerFile = new URL("./search_worker.ts", import.meta.url);
    await using pool = await WorkerPool.open<SearchContract>(workerFile);
    await using _server = await RpcServer.listen(url, { queue, handlers: pool.handlers() });
    await using client = await RpcClient.connect<SearchContract>(url, { queue });

    const paths = (await Array.fromAsync(filesIn(folder))).sort();
    const isShown = Deno.stderr.isTerminal();
    const bar = isShown
      ? new ProgressBar({ max: paths.length, writable: Deno.stderr.writable })
      : undefined;
    const inputs = paths.map((path) => ({ path, word }));
    let count = 0;
    // Outputs come in the order of the inputs, while the next files are looked through.
    for await (const finds of client.map("search", inputs, { concurrency: 16 })) {
      if (bar !== undefined) bar.value++;
      for (const { path, line, text } of finds) console.log(`${path}:${line}: ${text}`);
      count += finds.length;
    }
    await bar?.stop();
    console.log(`Found "${word}" on ${count} lines of ${paths.length} files`);
  },
);
