/** Servers and clients that declare nothing, and users that may not. @module */

import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import {
  type BrokerDefinitions,
  brokerDefinitions,
  type ServiceDefinition,
} from "../../extras/definitions.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { eventually } from "./eventually.ts";

/** Who does what in {@linkcode useAll}. */
export type OperatedUser = "math-server" | "math-client" | "math-admin";

/** The users of {@linkcode operatedDefinitions}. */
export const OPERATED_USERS: readonly OperatedUser[] = ["math-server", "math-client", "math-admin"];

/** Definitions of a service "math" and of all its users. */
export function operatedDefinitions(service: Partial<ServiceDefinition> = {}): BrokerDefinitions {
  return brokerDefinitions({
    services: [{ queue: "math", ...service }],
    users: [
      { name: "math-server", serves: ["math"] },
      { name: "math-client", calls: true, replyQueues: ["billing"] },
      { name: "math-admin", administers: ["math"] },
    ],
  });
}

/** Declares what definitions have, for a broker that cannot import them. */
export async function declareDefinitions(url: string, all: BrokerDefinitions): Promise<void> {
  const model = await connect(url, { noDelay: true });
  const channel = await model.createChannel();
  for (const { name, type, durable } of all.exchanges) {
    await channel.assertExchange(name, type, { durable });
  }
  for (const { name, durable, arguments: args } of all.queues) {
    await channel.assertQueue(name, { durable, arguments: args });
  }
  for (const { source, destination, routing_key, arguments: args } of all.bindings) {
    await channel.bindQueue(destination, source, routing_key, args);
  }
  await model.close();
}

const handlers = {
  echo: (value: unknown) => value,
  *count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  },
  hang: () => new Promise<never>(() => {}),
};

/** Does all that servers, clients and administrators do who declare nothing. */
export async function useAll(urlOf: (user: OperatedUser) => string): Promise<unknown> {
  const events = new Set<string>();
  const onEvent = ({ type }: { readonly type: string }) => void events.add(type);
  const options = { queue: "math", declare: false, onEvent } as const;
  await using stack = new AsyncDisposableStack();
  const server = await RpcServer.listen(urlOf("math-server"), {
    ...options,
    handlers,
    prefetch: 1,
  });
  stack.defer(() => server.close({ graceMs: 0 }));
  await using direct = await RpcClient.connect(urlOf("math-client"), options);
  const replyQueue = { name: "billing" };
  const durable = await RpcClient.connect(urlOf("math-client"), { ...options, replyQueue });
  stack.defer(() => durable.close({ graceMs: 0 }));
  const echoes = [await direct.call("echo", 1), await durable.call("echo", 2)];
  const items = await Array.fromAsync(direct.stream("count", 200, { credits: 4 }));
  await publish(urlOf("math-client"), "echo");
  await eventually(() => assertEquals(server.stats().parked, 1));
  await using parked = await ParkedRequests.open(urlOf("math-admin"), { queue: "math" });
  const dropped = await parked.drop("all");
  durable.notify("hang");
  await eventually(() => assertEquals(server.stats().active, 1));
  const busy = await codeOf(durable.call("echo", 3, { immediate: true }));
  for (const type of ["served", "call-settled"]) events.delete(type);
  return { echoes, items: items.length, dropped, busy, events: [...events].toSorted() };
}

/** What comes of {@linkcode useAll}. */
export const ALL_WORKS: unknown = {
  echoes: [1, 2],
  items: 200,
  dropped: { dropped: 1, missing: 0 },
  busy: "no-capacity",
  events: ["connected", "parked"],
};

/** Publishes a request whose reply address no server takes. */
async function publish(url: string, procedure: string): Promise<void> {
  const model = await connect(url, { noDelay: true });
  const channel = await model.createConfirmChannel();
  channel.sendToQueue("math", Buffer.alloc(0), { type: procedure, replyTo: "elsewhere" });
  await channel.waitForConfirms();
  await model.close();
}

/** The code of the error that something rejects with, and its message. */
export async function codeOf(outcome: Promise<unknown>): Promise<string> {
  return (await refusalOf(outcome)).code;
}

/** The error that something rejects with. */
export async function refusalOf(outcome: Promise<unknown>): Promise<RpcError> {
  try {
    await outcome;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error("Cannot tell the error as there was none");
}
