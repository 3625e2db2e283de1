import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { encodeArray, encodeTable } from "../../testing/wire/field_table.ts";
import { longString } from "../../testing/wire/field_value.ts";
import { PROTOCOL_HEADER } from "../../testing/wire/frame.ts";
import { declareQueue, onBothBrokers, refusal, textOfBody } from "./helpers/both_brokers.ts";
import { RawClient, type Sparse } from "../../tools/raw/raw_client.ts";
import { consume, get, integer, lastDeath, publish, table } from "./helpers/steps.ts";

onBothBrokers("Exchange hands on to its alternate what it cannot route", async ({ open, name }) => {
  const client = await open();
  await declareExchange(client, { exchange: `${name}.other`, type: "fanout" });
  const alternate = table({ "alternate-exchange": longString(`${name}.other`) });
  await declareExchange(client, { exchange: name, type: "direct", arguments: alternate });
  const queue = await declareQueue(client, { exclusive: true });
  await bind(client, { exchange: `${name}.other`, queue });
  client.send(1, "basic.publish", { exchange: name, routingKey: "nobody", mandatory: true });
  assertEquals((await get(client, queue)).arguments.exchange, name);
  assertEquals(client.received, []);
  await deleteExchanges(client, [name, `${name}.other`]);
});

onBothBrokers(
  "Exchange routes through exchanges bound in a circle once",
  async ({ open, name }) => {
    const client = await open();
    const [one, two] = [`${name}.one`, `${name}.two`];
    await declareExchange(client, { exchange: one, type: "fanout" });
    await declareExchange(client, { exchange: two, type: "topic" });
    for (const [source, destination] of [[one, two], [two, one]] as const) {
      const values = { source, destination, routingKey: "#" };
      await client.call(1, ["exchange.bind", "exchange.bind-ok"], values);
    }
    const queue = await declareQueue(client, { exclusive: true });
    await bind(client, { exchange: one, queue });
    await bind(client, { exchange: two, queue, routingKey: "a.*" });
    client.send(1, "basic.publish", { exchange: one, routingKey: "a.b" });
    assertEquals((await get(client, queue)).arguments.messageCount, 0);
    await deleteExchanges(client, [one, two]);
  },
);

onBothBrokers("Exchange that is auto-delete goes with its last binding", async ({ open, name }) => {
  const client = await open();
  await declareExchange(client, { exchange: name, type: "direct", autoDelete: true });
  const queue = await declareQueue(client, { exclusive: true });
  await bind(client, { exchange: name, queue });
  await client.call(1, ["queue.unbind", "queue.unbind-ok"], { exchange: name, queue });
  assertStringIncludes(
    await refusal(declareExchange(client, { exchange: name, passive: true })),
    `NOT_FOUND - no exchange '${name}' in vhost '/'`,
  );
});

onBothBrokers("Exchange that is internal takes no publish", async ({ open, name }) => {
  const client = await open();
  await declareExchange(client, { exchange: name, type: "direct", internal: true });
  client.send(1, "basic.publish", { exchange: name });
  assertStringIncludes(
    await refusal(client.next(1, "channel.open-ok")),
    `ACCESS_REFUSED - cannot publish to internal exchange '${name}' in vhost '/'`,
  );
  client.takeAll();
  client.send(1, "channel.close-ok");
  await client.openChannel(1);
  await deleteExchanges(client, [name]);
});

onBothBrokers("exchange.declare of another type is a 406", async ({ open }) => {
  const client = await open();
  const attempt = declareExchange(client, { exchange: "amq.topic", type: "direct", durable: true });
  assertStringIncludes(
    await refusal(attempt),
    "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': " +
      "received 'direct' but current is 'topic'",
  );
});

onBothBrokers("exchange.declare of a number as alternate is a 406", async ({ open, name }) => {
  const client = await open();
  const attempt = declareExchange(client, {
    exchange: name,
    type: "direct",
    arguments: table({ "alternate-exchange": integer(5) }),
  });
  assertStringIncludes(
    await refusal(attempt),
    `invalid type 'signedint' for arg 'alternate-exchange' in exchange '${name}' in vhost '/'`,
  );
});

onBothBrokers("basic.publish follows CC and hides BCC", async ({ open }) => {
  const client = await open();
  const [to, cc, bcc] = [
    await declareQueue(client, { exclusive: true }),
    await declareQueue(client, { exclusive: true }),
    await declareQueue(client, { exclusive: true }),
  ];
  const headers = table({
    CC: { type: "array", value: encodeArray([longString(cc)]) },
    BCC: { type: "array", value: encodeArray([longString(bcc)]) },
  });
  publish(client, to, "x", { headers });
  for (const queue of [to, cc, bcc]) {
    const message = await get(client, queue);
    assertEquals(message.arguments.routingKey, to);
    assertEquals([...message.properties?.headers.keys() ?? []], ["CC"]);
  }
});

onBothBrokers("Queue with priorities delivers the highest first", async ({ open }) => {
  const client = await open();
  const priorities = table({ "x-max-priority": integer(5) });
  const queue = await declareQueue(client, { exclusive: true, arguments: priorities });
  for (const priority of [1, 9, 5, undefined]) {
    publish(client, queue, String(priority), priority === undefined ? {} : { priority });
  }
  await client.call(1, ["basic.qos", "basic.qos-ok"], { prefetchCount: 1 });
  const bodies: string[] = [];
  for (let count = 0; count < 4; count++) bodies.push(textOfBody(await get(client, queue)));
  assertEquals(bodies, ["9", "5", "1", "undefined"]);
});

onBothBrokers("Queue that is full drops its head as a dead letter", async ({ open }) => {
  const client = await open();
  const dead = await declareQueue(client, { exclusive: true });
  const queue = await declareQueue(client, {
    exclusive: true,
    arguments: table({
      "x-max-length": integer(1),
      "x-dead-letter-exchange": longString(""),
      "x-dead-letter-routing-key": longString(dead),
    }),
  });
  publish(client, queue, "old");
  publish(client, queue, "new");
  const dropped = await get(client, dead);
  assertEquals(textOfBody(dropped), "old");
  assertEquals(lastDeath(dropped), { queue, reason: "maxlen", count: 1 });
  assertEquals(textOfBody(await get(client, queue)), "new");
});

onBothBrokers("basic.recover delivers again what was not settled", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  publish(client, queue, "x");
  await consume(client, queue);
  assertEquals((await client.next(1, "basic.deliver")).arguments.redelivered, false);
  await client.call(1, ["basic.recover", "basic.recover-ok"], { requeue: true });
  assertEquals((await client.next(1, "basic.deliver")).arguments.redelivered, true);
});

onBothBrokers("queue.declare without an answer declares all the same", async ({ open, name }) => {
  const client = await open();
  client.send(1, "queue.declare", { queue: name, exclusive: true, nowait: true });
  client.send(1, "basic.consume", { queue: name, nowait: true });
  publish(client, name, "x");
  await client.next(1, "basic.deliver");
  assertEquals(client.received, []);
});

onBothBrokers("basic.consume refuses others beside an exclusive one", async ({ open, name }) => {
  const client = await open();
  const queue = await declareQueue(client, { queue: name, durable: true, autoDelete: true });
  await client.call(1, ["basic.consume", "basic.consume-ok"], { queue, exclusive: true });
  assertStringIncludes(
    await refusal(consume(await open(), queue)),
    `ACCESS_REFUSED - queue '${name}' in vhost '/' in exclusive use`,
  );
});

onBothBrokers("Queue that is auto-delete goes with its last consumer", async ({ open, name }) => {
  const client = await open();
  const queue = await declareQueue(client, { queue: name, durable: true, autoDelete: true });
  await consume(client, queue, "last");
  const values = { consumerTag: "last" };
  await client.call(1, ["basic.cancel", "basic.cancel-ok"], values);
  assertStringIncludes(await refusal(consume(client, queue)), `no queue '${name}' in vhost '/'`);
});

onBothBrokers("Connection takes a login by AMQPLAIN", async ({ url }) => {
  using client = await RawClient.dial(url);
  client.write(PROTOCOL_HEADER);
  await client.next(0, "connection.start");
  const login = table({ LOGIN: longString("guest"), PASSWORD: longString("guest") });
  client.send(0, "connection.start-ok", { mechanism: "AMQPLAIN", response: encodeTable(login) });
  await client.next(0, "connection.tune");
});

async function declareExchange(
  client: RawClient,
  values: Sparse<"exchange.declare">,
): Promise<void> {
  await client.call(1, ["exchange.declare", "exchange.declare-ok"], values);
}

async function deleteExchanges(client: RawClient, names: readonly string[]): Promise<void> {
  for (const exchange of names) {
    await client.call(1, ["exchange.delete", "exchange.delete-ok"], { exchange });
  }
}

async function bind(client: RawClient, values: Sparse<"queue.bind">): Promise<void> {
  await client.call(1, ["queue.bind", "queue.bind-ok"], values);
}
