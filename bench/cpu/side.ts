/**
 * One side of a measured call, a server or a client, in a process of its own.
 *
 * Arguments: `server` or `client`, the `mod.ts` of the checkout to measure, the broker's URL, the
 * queue. Each line of stdin is a number of calls to make, which a server leaves to its client; the
 * answer is the processor time that this process has taken so far, in milliseconds.
 *
 * @module
 */

import process from "node:process";
// The checkout to measure is loaded by its path; its API is that of this one.
import type { RpcClient, RpcServer } from "../../mod.ts";

interface Checkout {
  readonly RpcClient: typeof RpcClient;
  readonly RpcServer: typeof RpcServer;
}

const IN_FLIGHT = 64;

const [role, module = "", url = "", queue = ""] = Deno.args;
const { RpcClient: Client, RpcServer: Server }: Checkout = await import(module);
const call = role === "client" ? await openClient() : await openServer();
console.log("ready");
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const line of lines) {
  await call(Number(line));
  const { user, system } = process.cpuUsage();
  console.log((user + system) / 1_000);
}
Deno.exit();

async function openServer(): Promise<(count: number) => Promise<void>> {
  const handlers = { echo: (input: unknown) => input };
  await Server.listen(url, { queue, durability: "transient", prefetch: IN_FLIGHT, handlers });
  return () => Promise.resolve();
}

async function openClient(): Promise<(count: number) => Promise<void>> {
  const client = await Client.connect(url, { queue });
  return async (count) => {
    let next = 0;
    const lane = async () => {
      while (next < count) await client.call("echo", { text: "a short text", number: next++ });
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  };
}
