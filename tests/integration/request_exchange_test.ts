import { connect } from "../../deps/amqplib.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

/** How version 0.1.0 declares a request queue. */
const OLD_QUEUE = {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-dead-letter-exchange": "rpc.returns" },
};

/** Longer than a client takes to look at exchanges anew. */
const LIMIT_MS = 20_000;

function gatedHandlers() {
  const gate = Promise.withResolvers<string>();
  return { gate, handlers: { wait: () => gate.promise, echo: (value: unknown) => value } };
}

/** Makes calls until the queue has dropped one that came back: sooner than the client gives it up. */
async function untilOneComesBack({ client, server }: Pick<Pair, "client" | "server">) {
  client.call("wait").catch(() => {});
  await eventually(() => assertEquals(server.stats().active, 1));
  await eventually(async () => {
    const call = () => client.call("echo", "secret", { immediate: true, timeoutMs: 400 });
    assertEquals((await assertRejects(call, RpcError)).code, "no-capacity");
  }, LIMIT_MS);
}

/** The messages that somebody gets who may bind to what versions before shared. */
async function eavesdrop(stack: AsyncDisposableStack) {
  const model = await connect(brokerUrl(), { noDelay: true });
  stack.defer(() => model.close());
  const channel = await model.createChannel();
  await channel.assertExchange("rpc.returns", "headers", { durable: true });
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "rpc.returns", "", { "x-match": "any" });
  await channel.bindQueue(queue, "rpc.returns", "", { "x-match": "all" });
  return { count: async () => (await channel.checkQueue(queue)).messageCount };
}

async function deleteExchange(name: string): Promise<void> {
  const model = await connect(brokerUrl(), { noDelay: true });
  const channel = await model.createChannel();
  await channel.deleteExchange(name);
  await model.close();
}

Deno.test("A request that its queue drops comes back to its caller, and to nobody else", async () => {
  await using stack = new AsyncDisposableStack();
  const { gate, handlers } = gatedHandlers();
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  const overheard = await eavesdrop(stack);
  await untilOneComesBack(pair);
  assertEquals(await overheard.count(), 0);
  gate.resolve("done");
});

Deno.test("Requests that the default exchange brought are served, and dropped once", async () => {
  const { gate, handlers } = gatedHandlers();
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  await using peer = await AmqpPeer.open();
  assertEquals((await peer.request(pair.queue, "1", { type: "echo" })).content.toString(), "1");
  void peer.send(pair.queue, "1", { type: "wait" });
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  const headers = { "rpc-reply-to": peer.replyQueue };
  const lost = { type: "echo", replyTo: peer.replyQueue, correlationId: "lost", headers };
  await peer.send(pair.queue, "2", { ...lost, expiration: "1" });
  await eventually(async () => assertEquals(await peer.countMessages(pair.queue), 0));
  gate.resolve("done");
  const { correlationId } = (await peer.request(pair.queue, "3", { ...lost, correlationId: "3" }))
    .properties;
  assertEquals(correlationId, "3");
  await eventually(() => assertEquals(pair.server.stats().succeeded, 3));
});

Deno.test("A queue that version 0.1.0 has declared is served as it is", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue(randomQueue(), OLD_QUEUE);
  const { gate, handlers } = gatedHandlers();
  const events: string[] = [];
  const options = { queue, onEvent: ({ type }: { type: string }) => events.push(type) };
  await using server = await RpcServer.listen(brokerUrl(), { ...options, handlers, prefetch: 1 });
  await using client = await RpcClient.connect(brokerUrl(), options);
  assertEquals(await client.call("echo", 1), 1);
  await untilOneComesBack({ client, server });
  gate.resolve("done");
  assertEquals(events.includes("returns-unavailable"), false);
});

Deno.test("A client that came before its server finds the exchange of the queue", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue(randomQueue(), { durable: true, autoDelete: true });
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  await peer.deleteQueue(queue);
  const { gate, handlers } = gatedHandlers();
  await using server = await RpcServer.listen(brokerUrl(), {
    log: false,
    queue,
    handlers,
    prefetch: 1,
  });
  assertEquals(await client.call("echo", 1), 1);
  await untilOneComesBack({ client, server });
  gate.resolve("done");
});

Deno.test("Calls go on when the exchange of the queue is deleted, or the queue is another's", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const { client, queue } = pair;
  assertEquals(await client.call("echo", 1), 1);
  await deleteExchange(`${queue}.requests`);
  assertEquals(await client.call("echo", 2), 2);
  await pair.server.close();
  await using peer = await AmqpPeer.open();
  await peer.deleteQueue(queue);
  await peer.declareQueue(queue, OLD_QUEUE);
  const options = { queue, handlers: { echo: (value: unknown) => value } };
  await using _server = await RpcServer.listen(brokerUrl(), options);
  assertEquals(await client.call("echo", 3), 3);
});

Deno.test("A call finds its queue though nothing is bound to the exchange of its name", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const { client, queue } = pair;
  await pair.server.close();
  await using peer = await AmqpPeer.open();
  await peer.deleteQueue(queue);
  const { code } = await assertRejects(() => client.call("echo", 1), RpcError);
  assertEquals(code, "unroutable");
  await peer.declareQueue(queue, { durable: true });
  const requests = await peer.messages(queue);
  const call = client.call("echo", 2, { idempotent: false });
  const { properties, content } = (await requests.next()).value;
  await peer.send(properties.replyTo, content, { correlationId: properties.correlationId });
  assertEquals(await call, 2);
});
