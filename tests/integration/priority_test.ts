import { connect } from "../../deps/amqplib.ts";
import { RpcClient } from "../../mod.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { compareVersions } from "../../tools/brokers/rabbitmq_versions.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

/** In the order in which they are called, by their inputs. */
const PRIORITIES = [undefined, 0, 1, undefined, 9];

/** The release that the tests run on, or that an embedded broker follows. */
async function brokerVersion(): Promise<string> {
  const model = await connect(brokerUrl());
  const { version } = model.connection.serverProperties;
  await model.close();
  return version;
}

/** What a replicated queue gives out, of requests that wait in it. */
async function deliveredFrom(peer: AmqpPeer): Promise<readonly (readonly unknown[])[]> {
  const queue = await peer.declareQueue(undefined, {
    durable: true,
    arguments: { "x-queue-type": "quorum" },
  });
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const leaving = new AbortController();
  for (const [n, priority] of PRIORITIES.entries()) {
    // Nobody answers.
    client.call("wait", n, { ...priority !== undefined && { priority }, signal: leaving.signal })
      .catch(() => {});
    await eventually(async () => assertEquals(await peer.countMessages(queue), n + 1));
  }
  const messages = await peer.messages(queue);
  const delivered: unknown[][] = [];
  for (const _ of PRIORITIES) {
    const { content, properties } = await nextOf(messages);
    const input = Number(new TextDecoder().decode(content));
    delivered.push([input, properties.priority, properties.headers?.["rpc-priority"]]);
  }
  leaving.abort();
  return delivered;
}

Deno.test("RpcClient.call() has no broker order against its priority", async () => {
  await using peer = await AmqpPeer.open();
  const delivered = await deliveredFrom(peer);
  // In the queue, 4 is as good as none.
  assertEquals(delivered.toSorted(([a], [b]) => Number(a) - Number(b)), [
    [0, undefined, undefined],
    [1, undefined, undefined],
    [2, 5, 1],
    [3, undefined, undefined],
    [4, 13, 9],
  ]);
  const order = delivered.map(([input]) => Number(input));
  assertEquals(order.filter((input) => !PRIORITIES[input]), [0, 1, 3]);
  const version = await brokerVersion();
  if (compareVersions(version, "4.3") >= 0) assertEquals(order, [4, 2, 0, 1, 3]);
  else if (compareVersions(version, "4.0") >= 0) assert(order.indexOf(2) < order.indexOf(1));
  else assertEquals(order, [0, 1, 2, 3, 4]);
});
