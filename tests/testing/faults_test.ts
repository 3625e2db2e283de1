import { Buffer } from "node:buffer";
import { assertEquals, assertRejects, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker, VirtualClock } from "../../testing/mod.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";

Deno.test("Faults.dropConnectionAt() strikes between confirm and ack", async () => {
  await using broker = await TestBroker.start();
  await using server = await AmqplibClient.open(broker.url);
  await server.channel.assertQueue("requests");
  await server.channel.assertQueue("replies");
  const requests = await server.consume("requests");
  await server.send("requests", "work");
  const { value: request } = await requests.read();
  await server.send("replies", "done");
  const struck = broker.faults.dropConnectionAt({ method: "basic.ack", direction: "received" });
  if (request) server.channel.ack(request);
  assertEquals((await struck).name, "basic.ack");
  await server.closed;
  const left = broker.queues().map(({ name, messages }) => [name, messages]);
  assertEquals(left, [["requests", 1], ["replies", 1]]);
});

Deno.test("Faults.dropConnectionAt() resets the connection", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  broker.faults.dropConnectionAt({ method: "queue.declare", direction: "received" });
  await assertRejects(async () => await client.channel.assertQueue("q"));
  assertStringIncludes(String(await client.closed), "ECONNRESET");
});

Deno.test("Faults.dropConnectionAt() after a publish loses its confirm", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  await client.channel.assertQueue("q");
  broker.faults.dropConnectionAt({
    method: "basic.publish",
    direction: "received",
    when: "after",
    nth: 2,
  });
  await client.send("q", "one");
  await assertRejects(() => client.send("q", "two"));
  assertEquals(broker.queues()[0]?.messages, 2);
});

for (const how of ["reset", "end"] as const) {
  Deno.test(`Faults.dropConnectionAt() by ${how} lets arrive what was sent`, async () => {
    await using broker = await TestBroker.start();
    using client = await RawClient.open(broker.url);
    await client.openChannel(1);
    await client.call(1, ["confirm.select", "confirm.select-ok"]);
    broker.faults.dropConnectionAt({ method: "basic.ack", direction: "sent", when: "after", how });
    client.send(1, "basic.publish");
    await client.ended();
    assertEquals(client.received.map(({ name }) => name), ["basic.ack"]);
  });
}

Deno.test("Faults.dropConnectionAt() lets a connection fall silent", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url, { heartbeat: 10 });
  await client.openChannel(1);
  const struck = broker.faults.dropConnectionAt({
    method: "basic.qos",
    direction: "received",
    how: "silence",
  });
  client.send(1, "basic.qos");
  await struck;
  assertEquals(broker.connectionCount, 1);
  clock.advance(30_000);
  await client.ended();
  assertEquals(client.received, []);
});

Deno.test("Faults.nackConfirms() nacks as many publishes as asked", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  await client.channel.assertQueue("q");
  broker.faults.nackConfirms(1);
  await assertRejects(() => client.send("q", "one"), Error, "nack");
  await client.send("q", "two");
});

Deno.test("Faults.holdConfirms() keeps confirms until they are released", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  broker.faults.holdConfirms();
  client.send(1, "basic.publish");
  client.send(1, "basic.publish");
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  broker.faults.releaseConfirms();
  const { arguments: confirm } = await client.next(1, "basic.ack");
  assertEquals([confirm.deliveryTag, confirm.multiple], [2, true]);
});

Deno.test("Faults.blockPublishers() blocks who publishes, not who consumes", async () => {
  await using broker = await TestBroker.start();
  using publisher = await RawClient.open(broker.url);
  using consumer = await RawClient.open(broker.url);
  await publisher.openChannel(1);
  await consumer.openChannel(1);
  broker.faults.blockPublishers();
  publisher.send(1, "basic.publish", {}, { body: new Uint8Array(1) });
  const { arguments: { reason } } = await publisher.next(0, "connection.blocked");
  assertEquals(reason, "low on memory");
  publisher.send(1, "basic.qos");
  await consumer.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(publisher.received, []);
  broker.faults.unblockPublishers();
  await publisher.next(0, "connection.unblocked");
  await publisher.next(1, "basic.qos-ok");
});

Deno.test("Faults.refuseConnections() holds until connections are accepted", async () => {
  await using broker = await TestBroker.start();
  broker.faults.refuseConnections();
  await assertRejects(() => AmqplibClient.open(broker.url));
  broker.faults.acceptConnections();
  await using _client = await AmqplibClient.open(broker.url);
});

Deno.test("Faults.clear() takes all faults back", async () => {
  await using broker = await TestBroker.start();
  broker.faults.refuseConnections();
  broker.faults.blockPublishers();
  broker.faults.nackConfirms();
  broker.faults.holdConfirms();
  broker.faults.dropConnectionAt({ method: "basic.publish", direction: "received" });
  broker.faults.clear();
  await using client = await AmqplibClient.open(broker.url);
  await client.channel.assertQueue("q");
  await client.send("q", "goes through");
});

Deno.test("TestBroker.cancelConsumers() tells consumers, who may come back", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  await client.channel.assertQueue("q");
  const deliveries = await client.consume("q");
  broker.cancelConsumers("q");
  assertEquals((await deliveries.read()).value, null);
  const again = await client.consume("q");
  await client.send("q", "still there");
  assertEquals((await again.read()).value?.content.toString(), "still there");
});

Deno.test("TestBroker.closeConnections() closes with reply code 320", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  broker.closeConnections("maintenance");
  assertStringIncludes(String(await client.closed), "CONNECTION_FORCED - maintenance");
});

Deno.test("TestBroker.restart() keeps durable queues and their messages", async () => {
  await using broker = await TestBroker.start();
  const { port } = broker;
  {
    await using client = await AmqplibClient.open(broker.url);
    await client.channel.assertQueue("durable", { durable: true });
    await client.channel.assertQueue("transient", { durable: false });
    const { channel } = client;
    channel.sendToQueue("durable", Buffer.from("kept"), { persistent: true });
    channel.sendToQueue("durable", Buffer.from("lost"), { persistent: false });
    await channel.waitForConfirms();
    await broker.restart();
    await client.closed;
  }
  assertEquals(broker.port, port);
  const left = broker.queues().map(({ name, messages }) => [name, messages]);
  assertEquals(left, [["durable", 1]]);
  await using _client = await AmqplibClient.open(broker.url);
});

Deno.test("TestBroker.stopApp() refuses connections until startApp()", async () => {
  await using broker = await TestBroker.start();
  await broker.stopApp();
  await assertRejects(() => AmqplibClient.open(broker.url));
  await broker.startApp();
  await using _client = await AmqplibClient.open(broker.url);
});

Deno.test("MethodLog.next() resolves with the method that comes", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  const declared = broker.log.next(({ name }) => name === "queue.declare");
  await client.channel.assertQueue("seen");
  const event = await declared;
  assertEquals(event.name === "queue.declare" && event.arguments.queue, "seen");
  assertEquals(broker.log.filter("queue.declare-ok", "sent").length, 1);
});
