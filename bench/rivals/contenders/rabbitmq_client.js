/** rabbitmq-client: its RPC client, which confirms requests, and its consumer. */

import { Connection } from "rabbitmq-client";
import { procedures } from "../sides/procedures.js";

export async function serve({ url, queue, durable, prefetch }) {
  const consumer = new Connection({ url, noDelay: true }).createConsumer({
    queue,
    queueOptions: { durable },
    qos: { prefetchCount: prefetch },
  }, async ({ body, type }, reply) => {
    await reply(await procedures[type](body));
  });
  await new Promise((resolve) => consumer.on("ready", resolve));
}

export function connect({ url, queue }) {
  const connection = new Connection({ url, noDelay: true });
  const client = connection.createRPCClient({ confirm: true, timeout: 600_000 });
  return {
    call: async (type, input) => (await client.send({ routingKey: queue, type }, input)).body,
  };
}
