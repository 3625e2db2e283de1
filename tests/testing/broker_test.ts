import { assert, assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker, VirtualClock } from "../../testing/mod.ts";
import { longString } from "../../testing/wire/field_value.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";
import { declareQueue, refusal } from "./helpers/both_brokers.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";

const MAIN = new URL("../../testing/main.ts", import.meta.url).href;
const START_FIXTURE = new URL("./fixtures/start_to_delivery.ts", import.meta.url).href;

Deno.test("TestBroker.close() leaves nothing that keeps a process alive", async () => {
  assert(Number(await runChild(START_FIXTURE)) > 0);
});

Deno.test("testing/main.ts prints its URL and stops when told to", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", MAIN, "--port", "0"],
    stdout: "piped",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await output.read();
  const [url = ""] = /amqp:\S+/.exec(value) ?? [];
  await using _client = await AmqplibClient.open(url);
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 0);
  await output.cancel();
});

Deno.test("TestBroker.start() rejects when the port is taken", async () => {
  await using broker = await TestBroker.start();
  assertStringIncludes(await refusal(TestBroker.start({ port: broker.port })), "EADDRINUSE");
});

Deno.test("TestBroker.close() may be called twice", async () => {
  await using broker = await TestBroker.start();
  assertEquals(broker.close(), broker.close());
});

Deno.test("TestBroker.close() waits for no peer that stays", async () => {
  const broker = await TestBroker.start();
  using peer = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  await peer.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const buffer = new Uint8Array(100);
  while (await peer.read(buffer) !== null);
  await broker.close();
});

Deno.test("TestBroker.url holds the first user, escaped", async () => {
  await using broker = await TestBroker.start({ users: [{ name: "a@b", password: "p/w" }] });
  assertEquals(broker.url, `amqp://a%40b:p%2Fw@127.0.0.1:${broker.port}`);
  await using _client = await AmqplibClient.open(broker.url);
});

Deno.test("TestBroker holds users to their permissions", async () => {
  const permissions = { "/": { configure: "^mine$", write: "^amq\\.default$", read: "" } };
  const user = { name: "client", password: "secret", permissions };
  await using broker = await TestBroker.start({ users: [user] });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await declareQueue(client, { queue: "mine" });
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  client.send(1, "basic.publish", { routingKey: "mine" });
  await client.next(1, "basic.ack");
  assertStringIncludes(
    await refusal(client.call(1, ["basic.get", "basic.get-ok"], { queue: "mine" })),
    "ACCESS_REFUSED - access to queue 'mine' in vhost '/' refused for user 'client'",
  );
});

Deno.test("TestBroker keeps users out of other virtual hosts", async () => {
  await using broker = await TestBroker.start({ virtualHosts: ["other"] });
  using client = await RawClient.dial(broker.url);
  assertStringIncludes(
    await refusal(client.handshake({ virtualHost: "other" }, broker.url)),
    "NOT_ALLOWED - access to vhost 'other' refused for user 'guest'",
  );
});

Deno.test("TestBroker expires messages when its clock is advanced", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  await using client = await AmqplibClient.open(broker.url);
  await client.channel.assertQueue("dead");
  await client.channel.assertQueue("q", {
    messageTtl: 60_000,
    deadLetterExchange: "",
    deadLetterRoutingKey: "dead",
  });
  await client.send("q", "old");
  clock.advance(59_999);
  assertEquals(messages(broker), { dead: 0, q: 1 });
  clock.advance(1);
  assertEquals(messages(broker), { dead: 1, q: 0 });
});

Deno.test("TestBroker sends heartbeats when its clock is advanced", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url, { heartbeat: 10 });
  clock.advance(20_000);
  await client.openChannel(1);
  clock.advance(25_001);
  await client.ended();
});

Deno.test("TestBroker says why it refuses what was not proposed", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.dial(broker.url);
  assertStringIncludes(
    await refusal(client.handshake({ frameMax: 200_000 }, broker.url)),
    "NOT_ALLOWED - negotiated frame_max = 200000 is higher than the maximum allowed value (131072)",
  );
});

Deno.test("TestBroker gives up on a client that does not begin", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.dial(broker.url);
  client.write(new TextEncoder().encode("AMQP"));
  while (broker.connectionCount === 0) await new Promise((resolve) => setTimeout(resolve));
  clock.advance(10_000);
  await client.ended();
});

Deno.test("TestBroker as 4 refuses transient queues that are shared", async () => {
  await using broker = await TestBroker.start({ compat: "4" });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await declareQueue(client, { exclusive: true });
  assertStringIncludes(
    await refusal(declareQueue(client, { queue: "q" })),
    "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated",
  );
});

Deno.test("TestBroker as 4 limits redeliveries of quorum queues to 20", async () => {
  await using broker = await TestBroker.start({ compat: "4" });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  const table = new Map([["x-queue-type", longString("quorum")]]);
  await declareQueue(client, { queue: "q", durable: true, arguments: table });
  await client.call(1, ["basic.consume", "basic.consume-ok"], { queue: "q" });
  client.send(1, "basic.publish", { routingKey: "q" });
  for (let count = 0; count <= 20; count++) {
    const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
    client.send(1, "basic.nack", { deliveryTag, requeue: true });
  }
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(messages(broker), { q: 0 });
});

Deno.test("TestBroker as 4 returns no direct reply", async () => {
  await using broker = await TestBroker.start({ compat: "4" });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  const routingKey = "amq.rabbitmq.reply-to.gone";
  client.send(1, "basic.publish", { routingKey, mandatory: true });
  await client.next(1, "basic.ack");
  assertEquals(client.received, []);
});

Deno.test("TestBroker bounds queues, bindings, consumers and connections", async () => {
  const limits = { maxQueues: 1, maxBindings: 1, maxConsumers: 1, maxConnections: 1 };
  await using broker = await TestBroker.start({ limits });
  using client = await RawClient.open(broker.url);
  for (const channel of [1, 2, 3]) await client.openChannel(channel);
  await declareQueue(client, { queue: "q" });
  const bind = { queue: "q", exchange: "amq.topic", routingKey: "a" };
  await client.call(3, ["queue.bind", "queue.bind-ok"], bind);
  const again = client.call(3, ["queue.bind", "queue.bind-ok"], { ...bind, routingKey: "b" });
  assertStringIncludes(await refusal(again), "binding limit (1) is reached");
  await client.call(2, ["basic.consume", "basic.consume-ok"], { queue: "q" });
  const consume = client.call(2, ["basic.consume", "basic.consume-ok"], { queue: "q" });
  assertStringIncludes(await refusal(consume), "consumer limit of the channel (1) is reached");
  const declare = declareQueue(client, { queue: "r" });
  assertStringIncludes(await refusal(declare), "queue limit in vhost '/' (1) is reached");
  using second = await RawClient.dial(broker.url);
  await second.ended();
});

Deno.test("TestBroker bounds bodies and the nesting of headers", async () => {
  await using broker = await TestBroker.start({ limits: { maxBodyBytes: 10, maxTableDepth: 2 } });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  client.send(1, "basic.publish", {}, { body: new Uint8Array(11) });
  assertStringIncludes(
    await refusal(client.next(1, "channel.open-ok")),
    "PRECONDITION_FAILED - message size 11 is larger than configured max size 10",
  );
  await client.openChannel(2);
  client.send(2, "basic.publish", {}, { properties: { headers: nested(3) } });
  assertStringIncludes(await refusal(client.next(2, "channel.open-ok")), "nested deeper than 2");
});

Deno.test("TestBroker blocks publishers when its memory is full", async () => {
  await using broker = await TestBroker.start({ limits: { maxMemoryBytes: 10 } });
  using publisher = await RawClient.open(broker.url);
  using consumer = await RawClient.open(broker.url);
  await publisher.openChannel(1);
  await consumer.openChannel(1);
  await declareQueue(publisher, { queue: "q" });
  for (let count = 0; count < 2; count++) {
    publisher.send(1, "basic.publish", { routingKey: "q" }, { body: new Uint8Array(11) });
  }
  await publisher.next(0, "connection.blocked");
  await consumer.call(1, ["queue.purge", "queue.purge-ok"], { queue: "q" });
  await publisher.next(0, "connection.unblocked");
});

Deno.test("TestBroker delivers more than a socket takes at once", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await declareQueue(client, { queue: "q" });
  for (let count = 0; count < 40; count++) {
    client.send(1, "basic.publish", { routingKey: "q" }, { body: new Uint8Array(1_000_000) });
  }
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  using reader = await RawClient.open(broker.url);
  await reader.openChannel(1);
  await reader.call(1, ["basic.consume", "basic.consume-ok"], { queue: "q", noAck: true });
  for (let count = 0; count < 40; count++) await reader.next(1, "basic.deliver");
});

function messages(broker: TestBroker): Record<string, number> {
  return Object.fromEntries(broker.queues().map(({ name, messages }) => [name, messages]));
}

function nested(depth: number): Map<string, ReturnType<typeof longString>> {
  let bytes: Uint8Array = new Uint8Array(0);
  for (let level = 1; level < depth; level++) {
    const header = Uint8Array.of(1, 0x61, 0x46, 0, 0, 0, bytes.length);
    bytes = Uint8Array.of(...header, ...bytes);
  }
  return new Map([["n", { type: "table", value: bytes }]]);
}

async function runChild(program: string): Promise<string> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", program],
    stderr: "inherit",
  }).output();
  assertEquals(code, 0);
  return new TextDecoder().decode(stdout);
}
