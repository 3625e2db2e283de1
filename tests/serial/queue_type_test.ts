import { RpcClient, RpcError, RpcServer, type RpcServerEvent } from "../../mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import { randomQueue } from "../helpers/broker.ts";
import { rabbitmqTest } from "../helpers/features.ts";

/** More often than RabbitMQ 4 gives a message of a quorum queue back unless told otherwise. */
const LOOKS = 25;

/** Starts a node where quorum queues are the default, and tells where. */
async function onQuorumHost(fn: (url: string) => Promise<void>): Promise<void> {
  await using node = await PrivateNode.start();
  await node.ctl("add_vhost", "quorum", "--default-queue-type", "quorum");
  await node.ctl("set_permissions", "-p", "quorum", "guest", ".*", ".*", ".*");
  await fn(`${node.url}/quorum`);
}

Deno.test(rabbitmqTest("All works where quorum queues are the default", async (t) => {
  await onQuorumHost(async (url) => {
    await t.step("and looking at parked requests keeps them", () => looksKeepParked(url));
    await t.step("and a durable reply queue is one of them", () => repliesArrive(url));
  });
}, { needs: "a default queue type" }));

async function looksKeepParked(url: string): Promise<void> {
  for (const durability of ["replicated", "durable", "existing"] as const) {
    const queue = randomQueue();
    await using peer = await AmqpPeer.open(url);
    if (durability === "existing") await peer.declareQueue(queue);
    const events: RpcServerEvent[] = [];
    const handlers = { echo: (value: unknown) => value };
    const onEvent = (event: RpcServerEvent) => events.push(event);
    await using _server = await RpcServer.listen(url, { queue, durability, handlers, onEvent });
    await peer.send(queue, "1", { type: "echo", replyTo: "elsewhere" });
    await eventually(() => assertEquals(events.filter(({ type }) => type === "parked").length, 1));
    await using parked = await ParkedRequests.open(url, { queue });
    for (let look = 0; look < LOOKS; look++) {
      assertEquals((await parked.list()).length, 1, `${durability}, after ${look} looks`);
    }
  }
}

/** A client comes back to a reply that came while it was away. */
async function repliesArrive(url: string): Promise<void> {
  const queue = randomQueue();
  const replyQueue = { name: "billing" } as const;
  const gate = Promise.withResolvers<void>();
  const handlers = { wait: (n: number) => gate.promise.then(() => n), echo: (n: number) => n };
  await using server = await RpcServer.listen(url, { log: false, queue, handlers });
  {
    await using client = await RpcClient.connect(url, { queue, replyQueue });
    assertEquals(await client.call("echo", 1), 1);
    const lost = assertRejects(() => client.call("wait", 2), RpcError, "closed");
    await eventually(() => assertEquals(server.stats().active, 1));
    await client.close({ graceMs: 0 });
    await lost;
  }
  gate.resolve();
  await eventually(() => assertEquals(server.stats().succeeded, 2));
  await using client = await RpcClient.connect(url, { queue, replyQueue });
  await eventually(() => assertEquals(client.stats().unknownReplies, 1));
  assertEquals(await client.call("echo", 3), 3);
}
