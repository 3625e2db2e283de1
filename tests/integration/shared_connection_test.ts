import { RpcClient, RpcConnection, RpcServer } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

const CALLS = Array.from({ length: 50 }, (_, n) => n);
const handlers = {
  async echo(value: unknown) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return value;
  },
};

Deno.test("Clients and servers on one connection outlive its loss", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using stack = new AsyncDisposableStack();
  const connection = stack.use(await RpcConnection.open(proxy.url));
  const clients: RpcClient[] = [];
  for (let service = 0; service < 3; service++) {
    const queue = randomQueue();
    stack.defer(() => deleteQueue(queue));
    stack.use(await RpcServer.listen(connection, { log: false, queue, handlers }));
    for (const replyQueue of ["exclusive", "direct"] as const) {
      clients.push(stack.use(await RpcClient.connect(connection, { queue, replyQueue })));
    }
  }
  for (let loss = 0; loss < 3; loss++) {
    const calls = Promise.all(clients.map((client) => Array.fromAsync(client.map("echo", CALLS))));
    proxy.cut();
    assertEquals(await calls, clients.map(() => CALLS));
  }
});

Deno.test("A client that closes takes its reply queue along, not the connection", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using connection = await RpcConnection.open(brokerUrl());
  const client = await RpcClient.connect(connection, { queue });
  client.callAsync("echo", 1, () => {});
  const { replyTo } = (await nextOf(requests)).properties;
  assert(typeof replyTo === "string" && replyTo.startsWith("amq.gen-"), `${replyTo}`);
  await client.close({ graceMs: 0 });
  await eventually(async () => {
    await using other = await AmqpPeer.open();
    // While it is there, it is another connection's (405).
    await assertRejects(() => other.countMessages(replyTo), Error, "404");
  });
  await using second = await RpcClient.connect(connection, { queue });
  second.callAsync("echo", 2, () => {});
  assertEquals((await nextOf(requests)).content.toString(), "2");
  await second.close({ graceMs: 0 });
});
