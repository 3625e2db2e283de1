/**
 * By hand on amqplib, confirmed, and the calls of one turn share a message: an array of inputs, and an
 * array of outputs. All that a batch can save, without anything that makes it usable.
 */

import { connect as connectAmqp } from "amqplib";
import { procedures } from "../sides/procedures.js";

export async function serve({ url, queue, durable, prefetch }) {
  const connection = await connectAmqp(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, { durable });
  await channel.prefetch(prefetch);
  await channel.consume(queue, async (message) => {
    const { type, replyTo, correlationId } = message.properties;
    const inputs = JSON.parse(message.content.toString());
    const outputs = await Promise.all(inputs.map((input) => procedures[type](input)));
    const body = Buffer.from(JSON.stringify(outputs));
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
  let batch;
  channel.on("return", ({ properties: { correlationId } }) => fail(correlationId));
  await channel.consume(replyTo, (message) => {
    const { correlationId } = message.properties;
    const calls = pending.get(correlationId) ?? [];
    pending.delete(correlationId);
    const outputs = JSON.parse(message.content.toString());
    for (const [index, { resolve }] of calls.entries()) resolve(outputs[index]);
  }, { noAck: true });
  return {
    call: (type, input) => {
      return new Promise((resolve, reject) => {
        if (batch === undefined) {
          batch = [];
          queueMicrotask(() => queueMicrotask(() => send(type)));
        }
        batch.push({ input, resolve, reject });
      });
    },
  };

  function send(type) {
    const calls = batch;
    batch = undefined;
    const correlationId = String(++lastId);
    pending.set(correlationId, calls);
    const body = Buffer.from(JSON.stringify(calls.map(({ input }) => input)));
    const properties = { correlationId, replyTo, type, mandatory: true };
    channel.sendToQueue(queue, body, properties, (error) => {
      if (error) fail(correlationId);
    });
  }

  function fail(correlationId) {
    const calls = pending.get(correlationId) ?? [];
    pending.delete(correlationId);
    for (const { reject } of calls) reject(new Error("The batch is lost"));
  }
}
