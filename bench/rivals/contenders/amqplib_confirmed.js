/**
 * By hand on amqplib with the guarantees of @warren/rpc: requests are mandatory and confirmed, replies
 * are confirmed, a request is acknowledged once its reply is, and each call has a deadline.
 */

import { connect as connectAmqp } from "amqplib";
import { procedures } from "../sides/procedures.js";

const TIMEOUT_MS = 600_000;

/** @param options `run(type, input)` gives the output instead of the procedures. */
export async function serve({ url, queue, durable, prefetch, run }) {
  const connection = await connectAmqp(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable });
  await channel.prefetch(prefetch);
  await channel.consume(queue, async (message) => {
    const { type, replyTo, correlationId } = message.properties;
    const input = JSON.parse(message.content.toString());
    const output = await (run === undefined ? procedures[type](input) : run(type, input));
    const body = Buffer.from(JSON.stringify(output));
    channel.sendToQueue(replyTo, body, { correlationId, mandatory: true }, (error) => {
      if (error) channel.nack(message);
      else channel.ack(message);
    });
  });
}

export async function connect({ url, queue }) {
  const connection = await connectAmqp(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const pending = new Map();
  let lastId = 0;
  const settle = (correlationId, end) => {
    const call = pending.get(correlationId);
    if (call === undefined) return;
    pending.delete(correlationId);
    clearTimeout(call.timer);
    end(call);
  };
  channel.on("return", ({ properties }) => {
    settle(properties.correlationId, ({ reject }) => reject(new Error("There is no such queue")));
  });
  await channel.consume(replyTo, (message) => {
    settle(message.properties.correlationId, ({ resolve }) => {
      resolve(JSON.parse(message.content.toString()));
    });
  }, { noAck: true });
  return {
    call: (type, input) => {
      const correlationId = String(++lastId);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          settle(correlationId, () => reject(new Error("No reply in time")));
        }, TIMEOUT_MS);
        pending.set(correlationId, { resolve, reject, timer });
        const body = Buffer.from(JSON.stringify(input));
        const properties = {
          correlationId,
          replyTo,
          type,
          mandatory: true,
          expiration: TIMEOUT_MS,
        };
        channel.sendToQueue(queue, body, properties, (error) => {
          if (error) settle(correlationId, () => reject(error));
        });
      });
    },
  };
}
