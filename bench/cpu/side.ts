/**
 * One side of a measured call, a server or a client, in a process of its own.
 *
 * Arguments: `server` or `client`, the `mod.ts` of the checkout to measure, what it uses of it (see
 * {@link ./variant.ts}), the calls in flight, the broker's URL, the queue. Each line of stdin is a number of calls to make,
 * which a server leaves to its client; the answer is the processor time that this process has taken so
 * far, in milliseconds.
 *
 * @module
 */

import process from "node:process";
// The checkout to measure is loaded by its path; its API is that of this one.
import type { instrumentCalls, instrumentRequests } from "../../extras/otel/mod.ts";
import type { RpcClient, RpcClientOptions, RpcServer, RpcServerOptions } from "../../mod.ts";

interface Checkout {
  readonly RpcClient: typeof RpcClient;
  readonly RpcServer: typeof RpcServer;
}

interface Otel {
  readonly instrumentCalls: typeof instrumentCalls;
  readonly instrumentRequests: typeof instrumentRequests;
}

/** What both sides have of the options about what happens to calls. */
type Hooks<Options extends RpcClientOptions | RpcServerOptions> = Partial<
  Pick<Options, "interceptors" | "onEvent">
>;

const [role, module = "", uses, inFlightText, url = "", queue = ""] = Deno.args;
const inFlight = Number(inFlightText);
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
  const hooks = await serverHooks();
  const options = { queue, durability: "transient", prefetch: inFlight, handlers } as const;
  await Server.listen(url, { ...options, ...hooks });
  return () => Promise.resolve();
}

async function openClient(): Promise<(count: number) => Promise<void>> {
  const client = await Client.connect(url, { queue, ...await clientHooks() });
  return async (count) => {
    let next = 0;
    const lane = async () => {
      while (next < count) await client.call("echo", { text: "a short text", number: next++ });
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
  };
}

async function serverHooks(): Promise<Hooks<RpcServerOptions>> {
  if (uses === "ledger") return { onEvent() {} };
  return uses === "otel" ? { interceptors: [(await otel()).instrumentRequests(queue)] } : {};
}

async function clientHooks(): Promise<Hooks<RpcClientOptions>> {
  if (uses === "ledger") return { onEvent() {} };
  return uses === "otel" ? { interceptors: [(await otel()).instrumentCalls()] } : {};
}

async function otel(): Promise<Otel> {
  return await import(new URL("extras/otel/mod.ts", new URL(module, import.meta.url)).href);
}
