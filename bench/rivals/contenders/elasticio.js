/** @elastic.io/amqp-rpc on amqplib: it acknowledges before it runs, and confirms nothing. */

import rpc from "@elastic.io/amqp-rpc";
import { connect as connectAmqp } from "amqplib";
import { procedures } from "../sides/procedures.js";

export async function serve({ url, queue, durable }) {
  const connection = await connectAmqp(url, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.assertQueue(queue, { durable });
  const server = new rpc.AMQPRPCServer(connection, { requestsQueue: queue });
  for (const [name, procedure] of Object.entries(procedures)) server.addCommand(name, procedure);
  await server.start();
}

export async function connect({ url, queue }) {
  const connection = await connectAmqp(url, { noDelay: true });
  const client = new rpc.AMQPRPCClient(connection, { requestsQueue: queue, timeout: 600_000 });
  await client.start();
  return { call: (name, input) => client.sendCommand(name, [input]) };
}
