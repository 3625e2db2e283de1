// deno run --allow-net --allow-env=AMQP_URL --allow-read --allow-write examples/thumbnails/main.ts docs/images thumbnails
import { ProgressBar } from "../../deps/std_cli.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { main } from "../command_line.ts";
import type { ThumbnailContract } from "./thumbnail_worker.ts";

async function* readAll(paths: readonly string[]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const path of paths) yield await Deno.readFile(path);
}

async function picturesIn(folder: string): Promise<string[]> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const pictures = names.filter((name) => /\.(avif|gif|jpe?g|png|tiff?|webp)$/i.test(name));
  return pictures.sort().map((name) => `${folder}/${name}`);
}

await main("thumbnails/main.ts [folder] [new folder]", async ({ url, queue, args }) => {
  const options = { queue: queue ?? "thumbnails_queue" };
  const [folder = "docs/images", newFolder = "thumbnails"] = args;
  const paths = await picturesIn(folder);

  // The server's side, which is mostly another machine: a worker for each core.
  const workerFile = new URL("./thumbnail_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open<ThumbnailContract>(workerFile);
  await using _server = await RpcServer.listen(url, { ...options, handlers: pool.handlers() });

  await Deno.mkdir(newFolder, { recursive: true });
  await using client = await RpcClient.connect<ThumbnailContract>(url, options);
  const bar = Deno.stderr.isTerminal()
    ? new ProgressBar({ max: paths.length, writable: Deno.stderr.writable })
    : undefined;
  let bytes = 0;
  // A few pictures are read ahead of the workers, however many there are. Thumbnails come in order.
  const thumbnails = client.map("thumbnail", readAll(paths), { concurrency: 8 });
  for (const path of paths) {
    const { value } = await thumbnails.next();
    if (value === undefined) break;
    bytes += value.length;
    const name = path.slice(path.lastIndexOf("/") + 1);
    await Deno.writeFile(`${newFolder}/${name}.webp`, value);
    if (bar !== undefined) bar.value++;
  }
  await bar?.stop();
  console.log(`${paths.length} thumbnails of ${bytes} bytes are in ${newFolder}`);
});
