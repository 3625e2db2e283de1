/**
 * A worker that sends control messages by hand, as a stranger would. What it sends at a time is one
 * write to its socket: a flood shall cost this machine as little as it can, beside what it costs servers.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { pause } from "../../tools/time/waiting.ts";
import type { FloodKind, FloodOrder } from "./flood_order.ts";

/** How many messages go at a time, and how long after those before, in milliseconds. */
const AT_A_TIME = 20;
const EVERY_MS = 10;

/** The part of amqplib's connection that keeps what is written until all of it is there. */
interface Corkable {
  readonly connection: { readonly stream: { cork(): void; uncork(): void } };
}

/** Sends some messages of a kind. */
type Send = (kind: FloodKind, count: number) => void;

let send: Send;
let next = 0;

const scope: unknown = globalThis;
if (!isThread(scope)) throw new TypeError("Cannot send messages as this is not a Web Worker");
const { postMessage } = scope;
scope.onmessage = async ({ data }) => {
  if (data.type === "connect") send = await open(data.url, data.queue);
  else await flood(data.kind, data.count);
  postMessage("done");
};

/** Evenly, whatever the timers of this thread do. */
async function flood(kind: FloodKind, count: number): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < count; sent += AT_A_TIME) {
    const dueAt = startedAt + sent / AT_A_TIME * EVERY_MS;
    await pause(Math.max(0, dueAt - performance.now()));
    send(kind, Math.min(AT_A_TIME, count - sent));
  }
}

async function open(url: string, queue: string): Promise<Send> {
  const model = await connect(url);
  const channel = await model.createChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  await channel.consume(replyTo, () => {}, { noAck: true });
  const { stream } = (model as unknown as Corkable).connection;
  const publish = (key: string, type: string, body: string) => {
    const properties = { type, replyTo, correlationId: String(next) };
    channel.publish("rpc.control", key, Buffer.from(body), properties);
  };
  const kinds: Record<FloodKind, () => void> = {
    garbage: () => publish(queue, next % 2 === 0 ? "stats" : "x".repeat(200), "{".repeat(400)),
    "honest questions": () => publish(queue, "stats", ""),
    "questions to nobody": () => publish(`${queue}-nobody`, "stats", ""),
  };
  return (kind, count) => {
    stream.cork();
    for (let n = 0; n < count; n++, next++) kinds[kind]();
    // amqplib writes what it was given in the turn after this one.
    setTimeout(() => stream.uncork(), 0);
  };
}

/** The types of a window lack what a worker's global object has. */
function isThread(scope: unknown): scope is {
  onmessage: (event: MessageEvent<FloodOrder>) => void;
  postMessage(message: unknown): void;
} {
  return typeof scope === "object" && scope !== null && "WorkerGlobalScope" in scope;
}
