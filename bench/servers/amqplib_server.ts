/**
 * An RPC server written by hand on amqplib, after RabbitMQ's tutorial: the baseline. With `tutorial`
 * it has the tutorial's socket options, with `fast` it has `noDelay`. `busy` computes on the loop.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { computeFor } from "../workload.ts";

const [url = "", queue = "", style = ""] = Deno.args;
const connection = await connect(url, style === "fast" ? { noDelay: true } : {});
const channel = await connection.createChannel();
await channel.assertQueue(queue, { durable: false });
await channel.prefetch(style === "fast" ? 64 : 1);
await channel.consume(queue, (message) => {
  if (message === null) return;
  const { type, replyTo, correlationId } = message.properties;
  if (type === "busy") computeFor(250);
  channel.sendToQueue(replyTo, Buffer.from(message.content), { correlationId });
  channel.ack(message);
});
console.log("ready");
