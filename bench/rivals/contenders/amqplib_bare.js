/** By hand on amqplib, after RabbitMQ's tutorial, with `noDelay`: nothing is confirmed. */

import { connect as connectAmqp } from "amqplib";
import { procedures } from "../sides/procedures.js";

/** @param options `noDelay: false` leaves the socket as the tutorial does. */
export async function serve({ url, queue, durable, prefetch, noDelay = true }) {
  const connection = await connectAmqp(url, { noDelay });
  const channel = await connection.createChannel();
  await channel.assertQueue(queue, { durable });
  await channel.prefetch(prefetch);
  await channel.consume(queue, async (message) => {
    const { type, replyTo, correlationId } = message.properties;
    const output = await procedures[type](JSON.parse(message.content.toString()));
    channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(output)), { correlationId });
    channel.ack(message);
  });
}

export async function connect({ url, queue, noDelay = true }) {
  const connection = await connectAmqp(url, { noDelay });
  const channel = await connection.createChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const pending = new Map();
  let lastId = 0;
  await channel.consume(replyTo, (message) => {
    const { correlationId } = message.properties;
    pending.get(correlationId)?.(JSON.parse(message.content.toString()));
    pending.delete(correlationId);
  }, { noAck: true });
  return {
    call: (type, input) => {
      const correlationId = String(++lastId);
      return new Promise((resolve) => {
        pending.set(correlationId, resolve);
        channel.sendToQueue(queue, Buffer.from(JSON.stringify(input)), {
          correlationId,
          replyTo,
          type,
        });
      });
    },
  };
}
