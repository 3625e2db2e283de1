import { Buffer } from "node:buffer";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../deps/std_assert.ts";
import {
  type Faults,
  type MethodEvent,
  MethodLog,
  TestBroker,
  VirtualClock,
} from "../../testing/mod.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";
import { declareQueue, refusal } from "./helpers/both_brokers.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";

const QOS: MethodEvent = {
  name: "basic.qos-ok",
  arguments: {},
  connection: 1,
  channel: 1,
  direction: "sent",
};

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

Deno.test("Faults.nackConfirms() nacks as many publishes as asked, and stores none", async () => {
  await using broker = await TestBroker.start();
  await using client = await AmqplibClient.open(broker.url);
  await client.channel.assertQueue("q");
  broker.faults.nackConfirms(1);
  await assertRejects(() => client.send("q", "one"), Error, "nack");
  assertEquals(broker.queues()[0]?.messages, 0);
  await client.send("q", "two");
  assertEquals(broker.queues()[0]?.messages, 1);
});

Deno.test("Faults.nackConfirms() returns nothing, as a full queue was found", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  broker.faults.nackConfirms(1);
  client.send(1, "basic.publish", { routingKey: "none", mandatory: true });
  await client.next(1, "basic.nack");
  assertEquals(client.received, []);
});

Deno.test("Faults.nackConfirms() of one channel leaves others alone", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.open(broker.url);
  for (const channel of [1, 2]) {
    await client.openChannel(channel);
    await client.call(channel, ["confirm.select", "confirm.select-ok"]);
  }
  broker.faults.nackConfirms(1, { connection: 1, channel: 2 });
  client.send(1, "basic.publish");
  client.send(2, "basic.publish");
  await client.next(1, "basic.ack");
  await client.next(2, "basic.nack");
});

Deno.test("Faults.closeChannelAt() closes one channel, not its connection", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.open(broker.url);
  for (const channel of [1, 2]) await client.openChannel(channel);
  const struck = broker.faults.closeChannelAt({
    method: "queue.declare",
    channel: 2,
    code: "access-refused",
    text: "not today",
  });
  await declareQueue(client, { queue: "q" });
  const declared = client.call(2, ["queue.declare", "queue.declare-ok"], { queue: "r" });
  assertStringIncludes(await refusal(declared), "ACCESS_REFUSED - not today");
  assertEquals((await struck).channel, 2);
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(broker.queues().map(({ name }) => name), ["q"]);
});

Deno.test("Faults.closeChannelAt() after a publish keeps its message", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await declareQueue(client, { queue: "q" });
  broker.faults.closeChannelAt({ method: "basic.publish", when: "after" });
  client.send(1, "basic.publish", { routingKey: "q" });
  const { arguments: { replyText } } = await client.next(1, "channel.close");
  assertEquals(replyText, "PRECONDITION_FAILED - closed by the test");
  assertEquals(broker.queues()[0]?.messages, 1);
});

Deno.test("Faults.delay() sends later, in order, by the broker's clock", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url);
  for (const channel of [1, 2]) await client.openChannel(channel);
  broker.faults.delay(300, { channel: 1 });
  client.send(1, "basic.qos");
  client.send(1, "queue.declare", { queue: "q" });
  await client.call(2, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  clock.advance(299);
  await client.call(2, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  broker.faults.delay(0, { channel: 1 });
  client.send(1, "confirm.select");
  await client.call(2, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  clock.advance(1);
  await client.next(1, "confirm.select-ok");
  assertEquals(client.received.map(({ name }) => name), ["basic.qos-ok", "queue.declare-ok"]);
});

Deno.test("Faults.delay() lets a connection be closed in good order", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  broker.faults.delay(100, { connection: 1 });
  const delayed = broker.log.next(({ name }) => name === "connection.close");
  client.send(1, "basic.qos");
  client.send(0, "connection.close");
  await delayed;
  await using _other = await AmqplibClient.open(broker.url);
  assertEquals(client.received, []);
  clock.advance(100);
  await client.ended();
  const names = client.received.map(({ name }) => name);
  assertEquals(names, ["basic.qos-ok", "connection.close-ok"]);
});

Deno.test("Faults.delay() of a reset connection delays its end by nothing", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  broker.faults.delay(100);
  client.send(1, "basic.qos");
  await broker.log.next(({ name }) => name === "basic.qos");
  broker.resetConnections();
  await client.ended();
  clock.advance(100);
  assertEquals(client.received, []);
});

for (
  const [what, attempt, kind, text] of [
    ["nackConfirms(NaN)", (faults) => faults.nackConfirms(NaN), RangeError, '"count" must be'],
    ["delay(-1)", (faults) => faults.delay(-1), RangeError, '"ms" must be a number of at least 0'],
    [
      "dropConnectionAt() of no method",
      (faults) => faults.dropConnectionAt(JSON.parse('{"method":"x","direction":"sent"}')),
      TypeError,
      '"method" must be a method, such as "basic.ack": current value is "x"',
    ],
    [
      "closeChannelAt() of the occurrence 0",
      (faults) => faults.closeChannelAt({ method: "basic.ack", nth: 0 }),
      RangeError,
      '"nth" must be an integer of at least 1',
    ],
  ] as const satisfies readonly (readonly [
    string,
    (faults: Faults) => unknown,
    typeof RangeError | typeof TypeError,
    string,
  ])[]
) {
  Deno.test(`Faults.${what} is refused`, async () => {
    await using broker = await TestBroker.start();
    assertThrows(() => attempt(broker.faults), kind, text);
  });
}

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
  broker.faults.delay(1_000_000);
  broker.faults.closeChannelAt({ method: "queue.declare" });
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

Deno.test("TestBroker.connections() tells them apart, so that one can be closed", async () => {
  await using broker = await TestBroker.start();
  using first = await RawClient.open(broker.url);
  using second = await RawClient.open(broker.url);
  for (const client of [first, second]) await client.openChannel(1);
  const known = { name: undefined, user: "guest", virtualHost: "/", channels: 1 };
  assertEquals(broker.connections(), [{ number: 1, ...known }, { number: 2, ...known }]);
  broker.closeConnections("maintenance", 2);
  await second.next(0, "connection.close");
  await first.call(1, ["basic.qos", "basic.qos-ok"]);
  broker.resetConnections(1);
  await first.ended();
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

Deno.test("MethodLog.next() stops waiting when its signal is aborted", async () => {
  const log = new MethodLog(10);
  const aborting = new AbortController();
  const waited = log.next(() => true, { signal: aborting.signal });
  aborting.abort(new RangeError("enough"));
  await assertRejects(() => waited, RangeError, "enough");
  await assertRejects(() => log.next(() => true, { signal: aborting.signal }), RangeError);
  const next = log.next(() => true, { signal: new AbortController().signal });
  log.record(QOS);
  assertEquals(await next, QOS);
});

Deno.test("MethodLog.numbered() numbers what it keeps by what there was", () => {
  const log = new MethodLog(2);
  for (let count = 0; count < 5; count++) log.record(QOS);
  const numbersAfter = (after?: number) => log.numbered(after).map(([number]) => number);
  assertEquals([log.count, numbersAfter(), numbersAfter(1)], [5, [4, 5], [4, 5]]);
  assertEquals([numbersAfter(4), numbersAfter(5), numbersAfter(9)], [[5], [], []]);
  log.clear();
  assertEquals([log.count, numbersAfter()], [5, []]);
  log.record(QOS);
  assertEquals(numbersAfter(), [6]);
});
