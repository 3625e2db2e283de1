/** What waits to be parked is not lost, even if nothing may come back to its queue any more. @module */

import { RpcServer, type RpcServerEvent } from "../../mod.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { testUnless, whyReturnsAreCounted } from "../helpers/features.ts";

const counted = await whyReturnsAreCounted();

/** As often as RabbitMQ 4 lets a message come back, unless configured: one more, and it is dropped. */
const MOST_RETURNS = 20;
const LIMIT_MS = 20_000;

/** What became of parking. */
class Events {
  readonly seen: RpcServerEvent[] = [];
  readonly onEvent = (event: RpcServerEvent): void => void this.seen.push(event);

  typesOfParking(): string[] {
    const types = ["parked", "parking-delayed", "not-parked", "unserved"];
    return this.seen.map(({ type }) => type).filter((type) => types.includes(type));
  }
}

async function listen(queue: string, { onEvent }: Events): Promise<RpcServer> {
  return await RpcServer.listen(brokerUrl(), { queue, handlers: { ping: () => 1 }, onEvent });
}

/** A queue with one request that has come back as often as it may, and a full parking queue. */
async function startFull(peer: AmqpPeer): Promise<string> {
  const queue = randomQueue();
  // It declares the queue as servers do.
  await (await listen(queue, new Events())).close();
  const full = { "x-max-length": 1, "x-overflow": "reject-publish" };
  await peer.declareQueue(`${queue}.parked`, { durable: true, arguments: full });
  await peer.send(`${queue}.parked`, "in the way");
  await peer.send(queue, "1", { type: "ping", persistent: true });
  for (let time = 0; time < MOST_RETURNS; time++) await peer.giveBack(queue, { requeue: true });
  return queue;
}

Deno.test("RpcServer holds what it cannot park, and parks it once it can", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await startFull(peer);
  await using _queue = { [Symbol.asyncDispose]: () => deleteQueue(queue) };
  const events = new Events();
  await using server = await listen(queue, events);
  await eventually(() => assertEquals(events.typesOfParking(), ["parking-delayed"]), LIMIT_MS);
  assertEquals(server.stats().active, 1);
  await peer.giveBack(`${queue}.parked`, { requeue: false });
  await eventually(() => assertEquals(server.stats().parked, 1), LIMIT_MS);
  assertEquals(events.typesOfParking(), ["parking-delayed", "parked"]);
  assertEquals(await peer.countMessages(`${queue}.parked`), 1);
});

Deno.test(
  testUnless(counted, "RpcServer leaves what it could not park to the next server", async () => {
    await using peer = await AmqpPeer.open();
    const queue = await startFull(peer);
    await using _queue = { [Symbol.asyncDispose]: () => deleteQueue(queue) };
    // More often than a return that counts may happen.
    for (let time = 0; time < 3; time++) {
      const events = new Events();
      const server = await listen(queue, events);
      await eventually(() => assertEquals(events.typesOfParking(), ["parking-delayed"]), LIMIT_MS);
      await server.close({ graceMs: 0 });
      assertEquals(events.typesOfParking(), ["parking-delayed", "unserved"]);
    }
    await peer.giveBack(`${queue}.parked`, { requeue: false });
    await using server = await listen(queue, new Events());
    await eventually(() => assertEquals(server.stats().parked, 1), LIMIT_MS);
  }),
);
