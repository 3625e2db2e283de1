/**
 * A server that is wrong on purpose: it acknowledges a request before it has replied. The checker
 * must find what it loses when it is killed.
 */

import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { ExecutionLog } from "../checking/executions.ts";
import { outputOf, type WorkInput } from "../load/work.ts";
import { obeyOwner, tell } from "./owner.ts";
import { readSettings } from "./settings.ts";

const { urls: [url = ""], queue, prefetch, executions } = readSettings();
const log = new ExecutionLog(executions);
const model = await connect(url, { noDelay: true });
const channel = await model.createChannel();
await channel.prefetch(prefetch);
await channel.assertQueue(queue, {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-dead-letter-exchange": "" },
});
await channel.consume(queue, (message) => {
  if (message === null) return;
  channel.ack(message);
  const { replyTo, correlationId } = message.properties;
  const input: WorkInput = JSON.parse(message.content.toString());
  log.begin(input.call, 0);
  setTimeout(() => {
    log.end(input.call);
    if (typeof replyTo !== "string") return;
    const body = Buffer.from(JSON.stringify(outputOf(input)));
    channel.sendToQueue(replyTo, body, { correlationId, type: "output" });
  }, input.ms);
});

Deno.addSignalListener("SIGTERM", async () => {
  await channel.close();
  await model.close();
  Deno.exit(0);
});
obeyOwner();
tell({ type: "listening" });
