/** @cloudamqp/amqp-client: its RPC client and server; nothing is confirmed. */

import { AMQPSession } from "@cloudamqp/amqp-client";
import { procedures } from "../sides/procedures.js";

export async function serve({ url, queue, durable, prefetch }) {
  const session = await AMQPSession.connect(url);
  await session.queue(queue, { durable });
  await session.rpcServer(queue, async (request) => {
    const output = await procedures[request.properties.type](JSON.parse(request.bodyString()));
    return JSON.stringify(output);
  }, prefetch);
}

export async function connect({ url, queue }) {
  const session = await AMQPSession.connect(url);
  return {
    call: async (type, input) => {
      const body = JSON.stringify(input);
      const reply = await session.rpcCall(queue, body, { type, timeout: 600_000 });
      return JSON.parse(reply.bodyString());
    },
  };
}
