import { RpcClient, RpcServer } from "../../mod.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { startChild } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";

const SERVER = new URL("../fixtures/server_process.ts", import.meta.url);

async function startServer(queue: string, mode: "hang" | "work") {
  const server = startChild(SERVER, { args: [brokerUrl(), queue, mode] });
  // A request that waited may start before its server says that it listens.
  await server.line("listening");
  return server;
}

/** A queue name whose queue goes with its test. */
function ownQueue() {
  const name = randomQueue();
  return { name, [Symbol.asyncDispose]: () => deleteQueue(name) };
}

Deno.test("A killed server's requests are answered by another one", async () => {
  await using queue = ownQueue();
  await using killed = await startServer(queue.name, "hang");
  await using client = await RpcClient.connect(brokerUrl(), { queue: queue.name });
  const inputs = Array.from({ length: 30 }, (_, n) => n);
  const calls = inputs.map((n) => client.call("work", n));
  for (let started = 0; started < 10; started++) await killed.nextLine();
  killed.kill("SIGKILL");
  await killed.status;
  await using _second = await startServer(queue.name, "work");
  assertEquals(await Promise.all(calls), inputs);
  assertEquals(client.stats().duplicateReplies, 0);
});

Deno.test("A server killed under load loses no request of its clients", async () => {
  await using queue = ownQueue();
  await using first = await startServer(queue.name, "work");
  await using _second = await startServer(queue.name, "work");
  await using client = await RpcClient.connect(brokerUrl(), { queue: queue.name });
  const inputs = Array.from({ length: 2_000 }, (_, n) => n);
  const calls = inputs.map((n) => client.call("work", n));
  for (let started = 0; started < 100; started++) await first.nextLine();
  first.kill("SIGKILL");
  assertEquals(await Promise.all(calls), inputs);
  assertEquals(client.pending, 0);
});

Deno.test("A request stays in its queue until its reply is confirmed", async () => {
  await using queue = ownQueue();
  await using peer = await AmqpPeer.open();
  await using killed = await startServer(queue.name, "hang");
  await peer.send(queue.name, "1", { type: "work", replyTo: peer.replyQueue });
  assertEquals(await killed.nextLine(), "started 1");
  assertEquals(await peer.countMessages(queue.name), 0);
  killed.kill("SIGKILL");
  await eventually(async () => assertEquals(await peer.countMessages(queue.name), 1));
  const redeliveries: number[] = [];
  await using _server = await RpcServer.listen(brokerUrl(), {
    log: false,
    queue: queue.name,
    handlers: { work: (_: unknown, context) => redeliveries.push(context.redeliveries) },
  });
  await peer.nextReply();
  assertEquals(redeliveries, [1]);
});
