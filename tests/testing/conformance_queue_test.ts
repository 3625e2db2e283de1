import { assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { type FieldValue, integerOf, longString } from "../../testing/wire/field_value.ts";
import {
  type ByVersion,
  declareQueue,
  onBothBrokers,
  refusal,
  textOfBody,
} from "./helpers/both_brokers.ts";
import {
  consume,
  deadLetterEntries,
  deadLetters,
  get,
  integer,
  lastDeath,
  publish,
  publishAll,
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
  onBothBrokers(
    `queue.declare refuses a quorum queue: ${property}`,
    async ({ open, name }) => {
      const client = await open();
      assertStringIncludes(
        await refusal(declareQueue(client, { queue: name, ...values, arguments: quorum() })),
        `PRECONDITION_FAILED - invalid property '${property}' for queue '${name}' in vhost '/'`,
      );
    },
    // Version 4.3 looks at transient queues first.
    property === "non-durable" ? { versions: ["3.10", "4.0"] } : {},
  );
}

onBothBrokers("queue.declare denies queues that are transient and shared", async (bench) => {
  const client = await bench.open();
  await declareQueue(client, { exclusive: true });
  const attempt = declareQueue(client, { queue: bench.name, arguments: quorum() });
  assertStringIncludes(
    await refusal(attempt),
    "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\n",
  );
}, { versions: ["4.3"], needsDenial: true });

for (
  const [what, first, second, old, since] of [
    [
      "a quorum queue as nothing special",
      quorum(),
      table({}),
      "received none but current is the value 'quorum' of type 'longstr'",
      "received 'classic' but current is 'quorum'",
    ],
    [
      "a queue of no type as quorum",
      table({}),
      quorum(),
      "received the value 'quorum' of type 'longstr' but current is none",
      "received 'quorum' but current is 'classic'",
    ],
    [
      "a priority as a floating-point number",
      table({ "x-max-priority": integer(3) }),
      table({ "x-max-priority": { type: "double", value: 3 } }),
      "received '3.0' but current is '3'",
      "received '3.0' but current is '3'",
    ],
  ] as const
) {
  onBothBrokers(`queue.declare of ${what} is a 406`, async ({ open, name, compat }) => {
    const client = await open();
    await declareQueue(client, { queue: name, durable: true, arguments: first });
    assertStringIncludes(
      await refusal(declareQueue(client, { queue: name, durable: true, arguments: second })),
      `for queue '${name}' in vhost '/': ${compat === "3.10" ? old : since}`,
    );
  });
}

onBothBrokers("queue.declare of an unknown type without a name", async ({ open, compat }) => {
  const client = await open();
  const attempt = declareQueue(client, { arguments: table({ "x-queue-type": longString("odd") }) });
  assertStringIncludes(
    await refusal(attempt),
    compat === "4.3" ? "PRECONDITION_FAILED - unknown queue type 'odd'" : "INTERNAL_ERROR",
  );
});

for (
  const [argument, value, fault] of [
    ["x-queue-mode", longString("odd"), {
      "3.10": ": \"unsupported queue mode 'odd'\"",
      "4.0": ": \"unsupported queue mode 'odd'\"",
      "4.3": undefined,
    }],
    ["x-queue-version", integer(1), {
      "3.10": undefined,
      "4.0": undefined,
      "4.3": ": \"unsupported queue version '1'\"",
    }],
    ["x-queue-leader-locator", longString("odd"), {
      "3.10": " of queue type rabbit_classic_queue",
      "4.0": ": invalid_queue_locator_arg",
      "4.3": ": invalid_queue_locator_arg",
    }],
    ["x-consumer-timeout", integer(100_000), {
      "3.10": undefined,
      "4.0": undefined,
      "4.3": " of queue type rabbit_classic_queue",
    }],
    ["x-single-active-consumer", longString("true"), {
      "3.10": ": {unacceptable_type,longstr}",
      "4.0": ": {unacceptable_type,longstr}",
      "4.3": ": {unacceptable_type,longstr}",
    }],
    ["x-max-priority", integer(256), {
      "3.10": ": {max_value_exceeded,256}",
      "4.0": ": {max_value_exceeded,256}",
      "4.3": ": {max_value_exceeded,256}",
    }],
  ] as readonly (readonly [string, FieldValue, ByVersion<string | undefined>])[]
) {
  onBothBrokers(`queue.declare looks at ${argument}`, async ({ open, name, compat }) => {
    const client = await open();
    const values = { queue: name, exclusive: true, arguments: table({ [argument]: value }) };
    const text = fault[compat];
    if (text === undefined) return void await declareQueue(client, values);
    assertStringIncludes(
      await refusal(declareQueue(client, values)),
      `PRECONDITION_FAILED - invalid arg '${argument}' for queue '${name}' in vhost '/'${text}`,
    );
  });
}

onBothBrokers("queue.declare of a number as dead-letter exchange", async ({ open, name }) => {
  const client = await open();
  const arguments_ = table({ "x-dead-letter-exchange": integer(1) });
  assertStringIncludes(
    await refusal(declareQueue(client, { queue: name, exclusive: true, arguments: arguments_ })),
    `PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue ` +
      `'${name}' in vhost '/'`,
  );
});

for (
  const [argument, value, fault] of [
    ["x-priority", longString("1"), {
      "3.10": ': "expected integer, got longstr"',
      "4.0": ': "expected integer, got longstr"',
      "4.3": ': "expected integer, got longstr"',
    }],
    ["x-stream-offset", longString("first"), {
      "3.10": " of queue type rabbit_classic_queue",
      "4.0": " of queue type rabbit_classic_queue",
      "4.3": " of queue type rabbit_classic_queue",
    }],
    ["x-cancel-on-ha-failover", longString("yes"), {
      "3.10": ": {unacceptable_type,longstr}",
      "4.0": undefined,
      "4.3": undefined,
    }],
    ["x-consumer-timeout", integer(100_000), {
      "3.10": undefined,
      "4.0": undefined,
      "4.3": " of queue type rabbit_classic_queue",
    }],
    ["x-odd", integer(1), { "3.10": undefined, "4.0": undefined, "4.3": undefined }],
  ] as readonly (readonly [string, FieldValue, ByVersion<string | undefined>])[]
) {
  onBothBrokers(`basic.consume looks at ${argument}`, async ({ open, name, compat }) => {
    const client = await open();
    await declareQueue(client, { queue: name, exclusive: true });
    const values = { queue: name, arguments: table({ [argument]: value }) };
    const attempt = client.call(1, ["basic.consume", "basic.consume-ok"], values);
    const text = fault[compat];
    if (text === undefined) return void await attempt;
    assertStringIncludes(
      await refusal(attempt),
      `PRECONDITION_FAILED - invalid arg '${argument}' for queue '${name}' in vhost '/'${text}`,
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

onBothBrokers("Queue with x-expires ends when it is unused", async ({ open, name }) => {
  const client = await open();
  const queue = await declareQueue(client, {
    queue: name,
    durable: true,
    arguments: table({ "x-expires": integer(50) }),
  });
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
  client.send(1, "basic.reject", { deliveryTag: first.arguments.deliveryTag, requeue: true });
  const second = await client.next(1, "basic.deliver");
  assertEquals(integerOf(second.properties?.headers.get("x-delivery-count")), 1);
  assertEquals(second.arguments.redelivered, true);
  client.send(1, "basic.reject", { deliveryTag: second.arguments.deliveryTag, requeue: true });
  const last = await client.next(1, "basic.deliver");
  assertEquals(last.arguments.consumerTag, "dead");
  assertEquals(lastDeath(last), { queue, reason: "delivery_limit", count: 1 });
});

for (
  const [what, limit, how, order] of [
    ["no limit by nack", {}, "basic.nack", { "3.10": "ba", "4.0": "ab", "4.3": "ab" }],
    [
      "a limit of 5 by nack",
      { "x-delivery-limit": integer(5) },
      "basic.nack",
      { "3.10": "ab", "4.0": "ab", "4.3": "ab" },
    ],
    [
      "a limit of -1 by nack",
      { "x-delivery-limit": integer(-1) },
      "basic.nack",
      { "3.10": "b", "4.0": "ba", "4.3": "ab" },
    ],
    [
      "a limit of -1 by reject",
      { "x-delivery-limit": integer(-1) },
      "basic.reject",
      { "3.10": "b", "4.0": "ba", "4.3": "ab" },
    ],
  ] as const
) {
  onBothBrokers(`Queue of type quorum with ${what} requeues`, async ({ open, name, compat }) => {
    const client = await open();
    await declareQueue(client, { queue: name, durable: true, arguments: quorum(limit) });
    await publishAll(client, name, [["a"], ["b"]]);
    const { arguments: { deliveryTag } } = await get(client, name);
    client.send(1, how, { deliveryTag, requeue: true });
    let bodies = "";
    for (let count = 0; count < order[compat].length; count++) {
      bodies += textOfBody(await get(client, name));
    }
    assertEquals(bodies, order[compat]);
  });
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
  const queue = await declareQueue(client, { queue: name, durable: true });
  await consume(client, queue, "tag");
  const other = await open();
  await other.call(1, ["queue.delete", "queue.delete-ok"], { queue });
  const { arguments: { consumerTag } } = await client.next(1, "basic.cancel");
  assertEquals(consumerTag, "tag");
});

onBothBrokers("Queue gives back what its consumer left, in order", async ({ open, name }) => {
  const client = await open();
  const queue = await declareQueue(client, { queue: name, durable: true });
  await consume(client, queue);
  for (const body of ["a", "b", "c"]) publish(client, queue, body, {});
  for (let count = 0; count < 3; count++) await client.next(1, "basic.deliver");
  await client.call(1, ["channel.close", "channel.close-ok"], { replyCode: 200 });
  await client.openChannel(1);
  for (const body of ["a", "b", "c"]) {
    const message = await get(client, queue);
    assertEquals([textOfBody(message), message.arguments.redelivered], [body, true]);
  }
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
