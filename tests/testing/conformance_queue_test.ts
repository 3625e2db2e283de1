import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { integerOf, longString } from "../../testing/wire/field_value.ts";
import { declareQueue, onBothBrokers, refusal, textOfBody } from "./helpers/both_brokers.ts";
import {
  consume,
  deadLetterEntries,
  deadLetters,
  get,
  integer,
  lastDeath,
  publish,
  quorum,
  table,
} from "./helpers/steps.ts";

onBothBrokers("queue.declare names a queue of the server's own", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  assertMatch(queue, /^amq\.gen-[\w-]{22}$/);
});

onBothBrokers("queue.declare passive of no queue is a 404", async ({ open, name }) => {
  const client = await open();
  assertStringIncludes(
    await refusal(declareQueue(client, { queue: name, passive: true })),
    `NOT_FOUND - no queue '${name}' in vhost '/'`,
  );
});

onBothBrokers("queue.declare of another's exclusive queue is a 405", async ({ open, name }) => {
  await declareQueue(await open(), { queue: name, exclusive: true });
  const other = await open();
  assertStringIncludes(
    await refusal(declareQueue(other, { queue: name, passive: true })),
    `RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '${name}' in vhost '/'. It `,
  );
});

onBothBrokers("queue.declare with another durability is a 406", async ({ open, name }) => {
  const client = await open();
  await declareQueue(client, { queue: name, durable: true, autoDelete: true });
  assertStringIncludes(
    await refusal(declareQueue(client, { queue: name, autoDelete: true })),
    `PRECONDITION_FAILED - inequivalent arg 'durable' for queue '${name}' in vhost '/': ` +
      "received 'false' but current is 'true'",
  );
});

for (
  const [property, values] of [
    ["non-durable", {}],
    ["exclusive-owner", { durable: true, exclusive: true }],
    ["auto-delete", { durable: true, autoDelete: true }],
  ] as const
) {
  onBothBrokers(`queue.declare refuses a quorum queue: ${property}`, async ({ open, name }) => {
    const client = await open();
    assertStringIncludes(
      await refusal(declareQueue(client, { queue: name, ...values, arguments: quorum() })),
      `PRECONDITION_FAILED - invalid property '${property}' for queue '${name}' in vhost '/'`,
    );
  });
}

onBothBrokers("queue.declare refuses to name a quorum queue itself", async ({ open }) => {
  const client = await open();
  assertStringIncludes(
    await refusal(declareQueue(client, { durable: true, arguments: quorum() })),
    "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue",
  );
});

onBothBrokers("queue.declare refuses a foreign argument", async ({ open, name }) => {
  const client = await open();
  const table = quorum({ "x-max-priority": integer(5) });
  assertStringIncludes(
    await refusal(declareQueue(client, { queue: name, durable: true, arguments: table })),
    `PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '${name}' in vhost '/' of ` +
      "queue type rabbit_quorum_queue",
  );
});

onBothBrokers("queue.declare refuses a reserved name", async ({ open }) => {
  assertStringIncludes(
    await refusal(declareQueue(await open(), { queue: "amq.mine" })),
    "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
  );
});

onBothBrokers("Queue expires messages at its head only", async ({ open }) => {
  const client = await open();
  const dead = await declareQueue(client, { exclusive: true });
  const queue = await declareQueue(client, { exclusive: true, arguments: deadLetters(dead) });
  publish(client, queue, "keeps", {});
  publish(client, queue, "goes later", { expiration: "10" });
  const first = await get(client, queue);
  assertEquals(textOfBody(first), "keeps");
  await consume(client, dead);
  const expired = await client.next(1, "basic.deliver");
  assertEquals(textOfBody(expired), "goes later");
  assertEquals(lastDeath(expired), { queue, reason: "expired", count: 1 });
  assertEquals(expired.properties?.text("expiration"), undefined);
});

onBothBrokers("Queue expires a TTL of 0 unless it can deliver at once", async ({ open }) => {
  const client = await open();
  const dead = await declareQueue(client, { exclusive: true });
  const queue = await declareQueue(client, { exclusive: true, arguments: deadLetters(dead) });
  await consume(client, dead, "dead");
  publish(client, queue, "nobody", { expiration: "0" });
  assertEquals(textOfBody(await client.next(1, "basic.deliver")), "nobody");
  await consume(client, queue, "live");
  publish(client, queue, "somebody", { expiration: "0" });
  const delivery = await client.next(1, "basic.deliver");
  assertEquals(delivery.arguments.consumerTag, "live");
});

onBothBrokers("Queue with priorities expires late what is not its first", async ({ open }) => {
  const client = await open();
  const priorities = table({ "x-max-priority": integer(3) });
  const queue = await declareQueue(client, { exclusive: true, arguments: priorities });
  publish(client, queue, "first");
  publish(client, queue, "expired", { priority: 3, expiration: "0" });
  assertEquals(textOfBody(await get(client, queue)), "expired");
});

onBothBrokers("Queue with x-expires ends when it is unused", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { arguments: table({ "x-expires": integer(50) }) });
  await new Promise((resolve) => setTimeout(resolve, 200));
  const attempt = client.call(1, ["basic.get", "basic.get-ok"], { queue });
  assertStringIncludes(await refusal(attempt), `no queue '${queue}'`);
});

onBothBrokers("Queue counts redeliveries up to its limit if quorum", async ({ open, name }) => {
  const client = await open();
  const dead = await declareQueue(client, { exclusive: true });
  await consume(client, dead, "dead");
  const queue = await declareQueue(client, {
    queue: name,
    durable: true,
    arguments: quorum({ ...deadLetterEntries(dead), "x-delivery-limit": integer(1) }),
  });
  await consume(client, queue, "live");
  publish(client, queue, "poison", {});
  const first = await client.next(1, "basic.deliver");
  assertEquals(first.properties?.headers.has("x-delivery-count"), false);
  client.send(1, "basic.nack", { deliveryTag: first.arguments.deliveryTag, requeue: true });
  const second = await client.next(1, "basic.deliver");
  assertEquals(integerOf(second.properties?.headers.get("x-delivery-count")), 1);
  assertEquals(second.arguments.redelivered, true);
  client.send(1, "basic.nack", { deliveryTag: second.arguments.deliveryTag, requeue: true });
  const last = await client.next(1, "basic.deliver");
  assertEquals(last.arguments.consumerTag, "dead");
  assertEquals(lastDeath(last), { queue, reason: "delivery_limit", count: 1 });
  await client.call(1, ["queue.delete", "queue.delete-ok"], { queue });
});

for (
  const [what, limit, expected] of [
    ["end", {}, ["b", "a"]],
    ["head", { "x-delivery-limit": integer(5) }, ["a", "b"]],
  ] as const
) {
  const title = `Queue of type quorum requeues to its ${what}`;
  onBothBrokers(
    `${title}, ${"x-delivery-limit" in limit ? "limited" : "unlimited"}`,
    async (bench) => {
      const client = await bench.open();
      const queue = bench.name;
      await declareQueue(client, { queue, durable: true, arguments: quorum(limit) });
      for (const body of ["a", "b"]) publish(client, queue, body);
      const { arguments: { deliveryTag } } = await get(client, queue);
      client.send(1, "basic.nack", { deliveryTag, requeue: true });
      const bodies = [textOfBody(await get(client, queue)), textOfBody(await get(client, queue))];
      assertEquals(bodies, [...expected]);
      await client.call(1, ["queue.delete", "queue.delete-ok"], { queue });
    },
  );
}

onBothBrokers("Queue dead-letters to a headers exchange", async ({ open, name }) => {
  const client = await open();
  await client.call(1, ["exchange.declare", "exchange.declare-ok"], {
    exchange: name,
    type: "headers",
    autoDelete: true,
  });
  const dead = await declareQueue(client, { exclusive: true });
  await client.call(1, ["queue.bind", "queue.bind-ok"], {
    exchange: name,
    queue: dead,
    arguments: table({ "x-match": longString("all"), "rpc-reply-to": longString("me") }),
  });
  const queue = await declareQueue(client, {
    exclusive: true,
    arguments: table({ "x-dead-letter-exchange": longString(name) }),
  });
  client.send(1, "basic.publish", { routingKey: queue }, {
    body: new TextEncoder().encode("request"),
    properties: { headers: table({ "rpc-reply-to": longString("me") }) },
  });
  const { arguments: { deliveryTag } } = await get(client, queue);
  client.send(1, "basic.reject", { deliveryTag, requeue: false });
  await consume(client, dead);
  const delivery = await client.next(1, "basic.deliver");
  assertEquals(lastDeath(delivery), { queue, reason: "rejected", count: 1 });
  assertEquals(delivery.arguments.exchange, name);
});

onBothBrokers("Queue that is full rejects a publish by a nack", async ({ open }) => {
  const client = await open();
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  const queue = await declareQueue(client, {
    exclusive: true,
    arguments: table({ "x-max-length": integer(1), "x-overflow": longString("reject-publish") }),
  });
  publish(client, queue, "fits", {});
  await client.next(1, "basic.ack");
  publish(client, queue, "does not", {});
  assertEquals((await client.next(1, "basic.nack")).arguments.deliveryTag, 2);
});

onBothBrokers("Queue tells its consumers when it is deleted", async ({ open, name }) => {
  const client = await open();
  const queue = await declareQueue(client, { queue: name });
  await consume(client, queue, "tag");
  const other = await open();
  await other.call(1, ["queue.delete", "queue.delete-ok"], { queue });
  const { arguments: { consumerTag } } = await client.next(1, "basic.cancel");
  assertEquals(consumerTag, "tag");
});

onBothBrokers("Queue gives back what its consumer left, in order", async ({ open, name }) => {
  const client = await open();
  const queue = await declareQueue(client, { queue: name });
  await consume(client, queue);
  for (const body of ["a", "b", "c"]) publish(client, queue, body, {});
  for (let count = 0; count < 3; count++) await client.next(1, "basic.deliver");
  await client.call(1, ["channel.close", "channel.close-ok"], { replyCode: 200 });
  await client.openChannel(1);
  for (const body of ["a", "b", "c"]) {
    const message = await get(client, queue);
    assertEquals([textOfBody(message), message.arguments.redelivered], [body, true]);
  }
  await client.call(1, ["queue.delete", "queue.delete-ok"], { queue });
});

onBothBrokers("Consumers of one queue take turns", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  await consume(client, queue, "one");
  await consume(client, queue, "two");
  const tags: string[] = [];
  for (let count = 0; count < 4; count++) {
    publish(client, queue, "x", {});
    tags.push((await client.next(1, "basic.deliver")).arguments.consumerTag);
  }
  assertEquals(tags, ["one", "two", "one", "two"]);
});

onBothBrokers("Consumer gets no more than its prefetch", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  await client.call(1, ["basic.qos", "basic.qos-ok"], { prefetchCount: 2 });
  for (let count = 0; count < 3; count++) publish(client, queue, String(count), {});
  await consume(client, queue);
  await client.next(1, "basic.deliver");
  await client.next(1, "basic.deliver");
  const counts = await client.call(1, ["queue.declare", "queue.declare-ok"], {
    queue,
    passive: true,
  });
  assertEquals(counts.arguments.messageCount, 1);
  client.send(1, "basic.ack", { deliveryTag: 2, multiple: true });
  assertEquals(textOfBody(await client.next(1, "basic.deliver")), "2");
});
