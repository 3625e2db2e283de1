// deno run --allow-net --allow-env=AMQP_URL --allow-read=. --allow-run=python3 examples/python/main.ts
import { RpcClient, RpcRemoteError, RpcServer } from "../../mod.ts";
import { main } from "../command_line.ts";

// The programs in Python need pika (Debian: python3-pika), and know nothing of this library.

interface PythonContract {
  countWords(text: string): number;
  lengthOf(value: unknown): number;
}

function python(url: string, program: string, ...args: readonly string[]): Deno.Command {
  const path = new URL(program, import.meta.url).pathname;
  const options = { env: { AMQP_URL: url }, stdin: "null", stdout: "piped" } as const;
  return new Deno.Command("python3", { args: [path, ...args], ...options });
}

await main("python/main.ts", async ({ url, queue = "python_queue" }) => {
  const decoder = new TextDecoder();

  // Python calls a server of ours.
  const handlers = { multiply: ([a, b]: [number, number]) => a * b };
  await using _server = await RpcServer.listen(url, { queue, handlers });
  const { stdout } = await python(url, "client.py", queue, "multiply", "[6, 7]").output();
  console.log(`Python got ${decoder.decode(stdout).trim()}`);

  // A client of ours calls Python, which declares the queue: so it has to be there first.
  const pythonQueue = `${queue}.words`;
  await using server = python(url, "server.py", pythonQueue).spawn();
  const { value } = await server.stdout.getReader().read();
  console.log(`Python is ${decoder.decode(value).trim()}`);
  await using client = await RpcClient.connect<PythonContract>(url, { queue: pythonQueue });
  console.log(`Python counted ${await client.call("countWords", "to be or not to be")} words`);

  // What Python raises has its name here, too.
  const error = await client.call("lengthOf", 5).catch((error: unknown) => error);
  if (error instanceof RpcRemoteError) console.log(`${error.remoteName}: ${error.message}`);
});
