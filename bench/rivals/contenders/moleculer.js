/** moleculer: a service on its AMQP transporter; nothing is confirmed. */

import { ServiceBroker } from "moleculer";
import { procedures } from "../sides/procedures.js";

function createNode(nodeID, { url, queue, prefetch }) {
  return new ServiceBroker({
    // Each run has nodes of its own.
    namespace: queue,
    nodeID,
    logger: false,
    transporter: {
      type: "AMQP",
      options: { url, prefetch, socketOptions: { noDelay: true } },
    },
    requestTimeout: 600_000,
  });
}

export async function serve(options) {
  const node = createNode("server", options);
  const run = (procedure) => async ({ params }) => await procedure(params);
  node.createService({
    name: "bench",
    actions: {
      echo: run(procedures.echo),
      busy: run(({ n }) => procedures.busy(n)),
      hang: run(procedures.hang),
    },
  });
  await node.start();
}

export async function connect(options) {
  const node = createNode("client", options);
  await node.start();
  await node.waitForServices("bench");
  return {
    call: (name, input) =>
      node.call(`bench.${name}`, typeof input === "object" ? input : { n: input }),
  };
}
