import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import type { PropertyChanges } from "../../testing/wire/basic_properties.ts";
import { decodeArray, decodeTable, encodeArray } from "../../testing/wire/field_table.ts";
import { type FieldTable, integerOf, longString, textOf } from "../../testing/wire/field_value.ts";
import type { MethodName } from "../../testing/wire/methods.ts";
import type { RawClient, Received } from "../../tools/raw/raw_client.ts";
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
  get,
  integer,
  publish,
  publishAll,
  quorum,
  table,
} from "./helpers/steps.ts";

/** What the counts of a delivery are: `x-acquired-count`, `x-delivery-count`, `redelivered`. */
type Counts = readonly [number | undefined, number | undefined, boolean];

const NONE: Counts = [undefined, undefined, false];

for (
  const [how, counts] of [
    ["basic.nack", {
      "3.10": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.0": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.3": [NONE, [1, undefined, true], [2, undefined, true]],
    }],
    ["basic.reject", {
      "3.10": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.0": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.3": [NONE, [1, 1, true], [2, 2, true]],
    }],
    ["basic.recover", {
      "3.10": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.0": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.3": [NONE, [1, undefined, true], [2, undefined, true]],
    }],
    ["channel.close", {
      "3.10": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.0": [NONE, [undefined, 1, true], [undefined, 2, true]],
      "4.3": [NONE, [1, 1, true], [2, 2, true]],
    }],
  ] as readonly (readonly [MethodName, ByVersion<readonly Counts[]>])[]
) {
  onBothBrokers(`Queue of type quorum counts ${how}`, async ({ open, name, compat }) => {
    const client = await open();
    await declareQueue(client, { queue: name, durable: true, arguments: quorum() });
    publish(client, name, "x");
    const seen: Counts[] = [];
    for (const _ of counts[compat]) {
      await consume(client, name);
      const delivery = await client.next(1, "basic.deliver");
      seen.push(countsOf(delivery));
      await client.call(1, ["basic.cancel", "basic.cancel-ok"], { consumerTag: "c" });
      await giveBack(client, how, delivery.arguments.deliveryTag);
    }
    assertEquals(seen, counts[compat]);
  });
}

onBothBrokers("basic.get of a quorum queue shows a count of 0 in 3.10", async (bench) => {
  const client = await bench.open();
  await declareQueue(client, { queue: bench.name, durable: true, arguments: quorum() });
  publish(client, bench.name, "x");
  const count = bench.compat === "3.10" ? 0 : undefined;
  assertEquals(countsOf(await get(client, bench.name)), [undefined, count, false]);
});

onBothBrokers("Queue of type quorum shows a publisher's count at first", async (bench) => {
  const client = await bench.open();
  await declareQueue(client, { queue: bench.name, durable: true, arguments: quorum() });
  await consume(client, bench.name);
  publish(client, bench.name, "x", { headers: table({ "x-delivery-count": integer(20) }) });
  const first = await client.next(1, "basic.deliver");
  assertEquals(countsOf(first), [undefined, 20, false]);
  client.send(1, "basic.reject", { deliveryTag: first.arguments.deliveryTag, requeue: true });
  const acquired = bench.compat === "4.3" ? 1 : undefined;
  assertEquals(countsOf(await client.next(1, "basic.deliver")), [acquired, 1, true]);
});

onBothBrokers("Queue of type quorum gives up after 20 returns since 4.0", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  await declareQueue(client, { queue, durable: true, arguments: quorum() });
  await consume(client, queue);
  publish(client, queue, "x");
  for (let count = 0; count <= 20; count++) {
    const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
    client.send(1, "basic.reject", { deliveryTag, requeue: true });
  }
  const isGone = bench.compat !== "3.10";
  if (!isGone) await client.next(1, "basic.deliver");
  await client.call(1, ["channel.close", "channel.close-ok"], { replyCode: 200 });
  await client.openChannel(1);
  const { arguments: { messageCount } } = await client.call(1, [
    "queue.purge",
    "queue.purge-ok",
  ], { queue });
  assertEquals(messageCount, isGone ? 0 : 1);
});

onBothBrokers("Queue of type quorum does not count nacks since 4.3", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  const arguments_ = quorum({ "x-delivery-limit": integer(1) });
  await declareQueue(client, { queue, durable: true, arguments: arguments_ });
  await consume(client, queue);
  publish(client, queue, "x");
  for (let count = 0; count < 3; count++) {
    const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
    client.send(1, "basic.nack", { deliveryTag, requeue: true });
  }
  assertEquals(countsOf(await client.next(1, "basic.deliver")), [3, undefined, true]);
}, { versions: ["4.3"] });

for (
  const [how, counts] of [
    ["basic.reject", { "3.10": NONE, "4.0": [undefined, 1, true], "4.3": [1, 1, true] }],
    ["basic.nack", { "3.10": NONE, "4.0": [undefined, 1, true], "4.3": NONE }],
  ] as readonly (readonly [MethodName, ByVersion<Counts>])[]
) {
  for (const from of ["quorum", "classic"] as const) {
    onBothBrokers(
      `${how} takes the count from a ${from} to a quorum queue`,
      async ({ open, name, compat }) => {
        const client = await open();
        await declareQueue(client, { queue: name, durable: true, arguments: quorum() });
        await consume(client, name, "dead");
        const source = `${name}.source`;
        await declareQueue(client, {
          queue: source,
          durable: from === "quorum",
          exclusive: from === "classic",
          arguments: table({ "x-queue-type": longString(from), ...deadLetterEntries(name) }),
        });
        publish(client, source, "x");
        const { arguments: { deliveryTag } } = await get(client, source);
        client.send(1, how, { deliveryTag, requeue: false });
        const dead = await client.next(1, "basic.deliver");
        const isCounted = from === "quorum" || compat === "4.3";
        assertEquals(countsOf(dead), isCounted ? counts[compat] : NONE);
        await client.call(1, ["queue.delete", "queue.delete-ok"], { queue: source });
      },
    );
  }
}

const PRIORITIES = [undefined, 0, 1, 4, 5, 9, undefined, 5, 1, 255];

onBothBrokers("Queue of type quorum orders by priority since 4.0", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  await declareQueue(client, { queue, durable: true, arguments: quorum() });
  await publishAll(
    client,
    queue,
    PRIORITIES.map((priority, index) => [`${index}`, withPriority(priority)]),
  );
  let order = "";
  while (order.length < PRIORITIES.length) order += textOfBody(await get(client, queue));
  assertEquals(
    order,
    { "3.10": "0123456789", "4.0": "4507912368", "4.3": "9547036281" }[bench.compat],
  );
});

onBothBrokers("Queue of type quorum drops what comes next if full", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  const arguments_ = quorum({ "x-max-length": integer(2) });
  await declareQueue(client, { queue, durable: true, arguments: arguments_ });
  await publishAll(
    client,
    queue,
    [1, 9, 5].map((priority) => [`${priority}`, withPriority(priority)]),
  );
  const left = [textOfBody(await get(client, queue)), textOfBody(await get(client, queue))];
  assertEquals(left, bench.compat === "3.10" ? ["9", "5"] : ["5", "1"]);
});

onBothBrokers(
  "Queue of type quorum puts what came back before higher priorities",
  async (bench) => {
    const client = await bench.open();
    const queue = bench.name;
    await declareQueue(client, {
      queue,
      durable: true,
      arguments: quorum({ "x-delivery-limit": integer(5) }),
    });
    publish(client, queue, "back", withPriority(0));
    const { arguments: { deliveryTag } } = await get(client, queue);
    await publishAll(client, queue, [["high", withPriority(9)]]);
    client.send(1, "basic.reject", { deliveryTag, requeue: true });
    assertEquals(textOfBody(await get(client, queue)), "back");
  },
);

onBothBrokers("Queue with priorities that is full drops the highest", async ({ open }) => {
  const client = await open();
  const arguments_ = table({ "x-max-priority": integer(5), "x-max-length": integer(2) });
  const queue = await declareQueue(client, { exclusive: true, arguments: arguments_ });
  for (const priority of [1, 5, 3, 5]) {
    publish(client, queue, `${priority}`, withPriority(priority));
  }
  const left = [textOfBody(await get(client, queue)), textOfBody(await get(client, queue))];
  assertEquals(left, ["3", "1"]);
});

onBothBrokers("Queue with priorities expires nothing below its first", async ({ open }) => {
  const client = await open();
  const dead = await declareQueue(client, { exclusive: true });
  await consume(client, dead, "dead");
  const arguments_ = table({ "x-max-priority": integer(5), ...deadLetterEntries(dead) });
  const queue = await declareQueue(client, { exclusive: true, arguments: arguments_ });
  publish(client, queue, "high", withPriority(3));
  publish(client, queue, "low", { expiration: "1" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  assertEquals(textOfBody(await get(client, queue)), "high");
  assertEquals(textOfBody(await client.next(1, "basic.deliver")), "low");
});

onBothBrokers("Queue of type quorum expires at each of its priorities in 4.3", async (bench) => {
  const client = await bench.open();
  const dead = await declareQueue(client, { exclusive: true });
  await consume(client, dead, "dead");
  const arguments_ = quorum(deadLetterEntries(dead));
  await declareQueue(client, { queue: bench.name, durable: true, arguments: arguments_ });
  publish(client, bench.name, "high", withPriority(9));
  publish(client, bench.name, "low", { expiration: "1", priority: 0 });
  assertEquals(textOfBody(await client.next(1, "basic.deliver")), "low");
}, { versions: ["4.3"] });

for (
  const [type, tags] of [
    ["classic", { "3.10": "low", "4.0": "low", "4.3": "low" }],
    ["quorum", { "3.10": "low", "4.0": "high", "4.3": "high" }],
  ] as readonly (readonly [string, ByVersion<string>])[]
) {
  onBothBrokers(`Single active consumer of a ${type} queue and priorities`, async (bench) => {
    const client = await bench.open();
    const queue = bench.name;
    const arguments_ = table({
      "x-queue-type": longString(type),
      "x-single-active-consumer": { type: "bool", value: true },
    });
    await declareQueue(client, { queue, durable: true, arguments: arguments_ });
    await consumeWithPriority(client, { queue, consumerTag: "low", priority: 1 });
    publish(client, queue, "a");
    const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
    await consumeWithPriority(client, { queue, consumerTag: "high", priority: 2 });
    client.send(1, "basic.ack", { deliveryTag });
    publish(client, queue, "b");
    const { arguments: { consumerTag } } = await client.next(1, "basic.deliver");
    assertEquals(consumerTag, tags[bench.compat]);
  });
}

onBothBrokers("Single active consumer is kept until it has settled", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  const arguments_ = quorum({ "x-single-active-consumer": { type: "bool", value: true } });
  await declareQueue(client, { queue, durable: true, arguments: arguments_ });
  await consumeWithPriority(client, { queue, consumerTag: "low", priority: 1 });
  publish(client, queue, "a");
  const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
  await consumeWithPriority(client, { queue, consumerTag: "high", priority: 2 });
  publish(client, queue, "b");
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  publish(client, queue, "c");
  await client.next(1, "basic.ack");
  assertEquals(client.received, []);
  client.send(1, "basic.ack", { deliveryTag });
  const next = [await client.next(1, "basic.deliver"), await client.next(1, "basic.deliver")];
  assertEquals(next.map((item) => [item.arguments.consumerTag, textOfBody(item)]), [
    ["high", "b"],
    ["high", "c"],
  ]);
}, { versions: ["4.0", "4.3"] });

for (const type of ["classic", "quorum"] as const) {
  onBothBrokers(`Dead letter of a ${type} queue tells of its deaths`, async (bench) => {
    const client = await bench.open();
    const { name: queue, compat } = bench;
    const dead = await declareQueue(client, { exclusive: true });
    await declareQueue(client, {
      queue,
      durable: true,
      arguments: table({ "x-queue-type": longString(type), ...deadLetterEntries(dead) }),
    });
    const headers = table({
      z: longString("kept"),
      CC: { type: "array", value: encodeArray([longString("cc")]) },
      BCC: { type: "array", value: encodeArray([longString("bcc")]) },
      a: longString("kept, too"),
    });
    publish(client, queue, "x", { headers, expiration: "007000" });
    const { arguments: { deliveryTag } } = await get(client, queue);
    client.send(1, "basic.reject", { deliveryTag, requeue: false });
    const letter = await get(client, dead);
    const isOld = compat === "3.10";
    const last = isOld ? [] : ["exchange", "queue", "reason"].map((name) => `x-last-death-${name}`);
    const first = ["exchange", "queue", "reason"].map((name) => `x-first-death-${name}`);
    assertEquals(
      [...letter.properties?.headers.keys() ?? []],
      [...isOld ? [] : ["CC"], "a", "x-death", ...first, ...last, "z"],
    );
    assertEquals(deathsOf(letter), [
      isOld
        ? ["count", "reason", "queue", "time", "exchange", "routing-keys", "original-expiration"]
        : ["original-expiration", "count", "reason", "queue", "time", "exchange", "routing-keys"],
    ]);
    const [death] = rawDeathsOf(letter);
    assertEquals(textOf(death?.get("original-expiration")), isOld ? "007000" : "7000");
    const keys = death?.get("routing-keys");
    const texts = keys?.type === "array" ? decodeArray(keys.value).map(textOf) : [];
    assertEquals(texts, [queue, "cc"]);
  });
}

onBothBrokers("Dead letter does not believe deaths of its publisher since 4.0", async (bench) => {
  const client = await bench.open();
  const dead = await declareQueue(client, { exclusive: true });
  const queue = await declareQueue(client, {
    exclusive: true,
    arguments: table(deadLetterEntries(dead)),
  });
  const forged = encodeArray([{ type: "table", value: new Uint8Array(0) }]);
  publish(client, queue, "x", { headers: table({ "x-death": { type: "array", value: forged } }) });
  const { arguments: { deliveryTag } } = await get(client, queue);
  client.send(1, "basic.reject", { deliveryTag, requeue: false });
  const letter = await get(client, dead);
  assertEquals(rawDeathsOf(letter).length, bench.compat === "3.10" ? 2 : 1);
});

onBothBrokers("Delivery has its headers in order since 4.0", async ({ open, compat }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  const headers = table({ b: integer(1), a: integer(2), B: integer(3) });
  publish(client, queue, "x", { headers });
  const { properties } = await get(client, queue);
  const expected = compat === "3.10" ? ["b", "a", "B"] : ["B", "a", "b"];
  assertEquals([...properties?.headers.keys() ?? []], expected);
});

onBothBrokers("Delivery has its expiration as a number since 4.0", async ({ open, compat }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  publish(client, queue, "x", { expiration: "+0070000" });
  const { properties } = await get(client, queue);
  assertEquals(properties?.text("expiration"), compat === "3.10" ? "+0070000" : "70000");
});

for (const deliveryMode of [0, 3, 7]) {
  onBothBrokers(`basic.publish of delivery mode ${deliveryMode}`, async ({ open, compat }) => {
    const client = await open();
    const queue = await declareQueue(client, { exclusive: true });
    publish(client, queue, "x", { deliveryMode });
    if (compat !== "3.10") {
      return assertEquals((await get(client, queue)).properties?.deliveryMode, deliveryMode);
    }
    assertStringIncludes(
      await refusal(client.next(1, "channel.open-ok")),
      `PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,${deliveryMode}}`,
    );
  });
}

for (
  const [what, header, criterion, matches] of [
    ["1 and 1.0", integer(1), { type: "double", value: 1 }, {
      "3.10": true,
      "4.0": false,
      "4.3": false,
    }],
    ["1 and a longer 1", integer(1), { type: "long", value: 1n }, {
      "3.10": true,
      "4.0": true,
      "4.3": true,
    }],
    ["a text and its bytes", longString("v"), { type: "binary", value: Uint8Array.of(0x76) }, {
      "3.10": true,
      "4.0": true,
      "4.3": true,
    }],
    ["equal times", { type: "timestamp", value: 7n }, { type: "timestamp", value: 7n }, {
      "3.10": true,
      "4.0": false,
      "4.3": false,
    }],
  ] as const
) {
  onBothBrokers(`Exchange of type headers compares ${what}`, async ({ open, compat }) => {
    const client = await open();
    const queue = await declareQueue(client, { exclusive: true });
    await client.call(1, ["queue.bind", "queue.bind-ok"], {
      queue,
      exchange: "amq.headers",
      arguments: table({ k: criterion }),
    });
    client.send(
      1,
      "basic.publish",
      { exchange: "amq.headers", mandatory: true },
      { properties: { headers: table({ k: header }) } },
    );
    await client.call(1, ["basic.qos", "basic.qos-ok"]);
    assertEquals(client.received.length, matches[compat] ? 0 : 1);
  });
}

onBothBrokers("Exchange of type x-local-random routes to one queue", async ({ open, name }) => {
  const client = await open();
  const exchange = { exchange: name, type: "x-local-random", autoDelete: true };
  await client.call(1, ["exchange.declare", "exchange.declare-ok"], exchange);
  const queues = [
    await declareQueue(client, { exclusive: true }),
    await declareQueue(client, { exclusive: true }),
  ];
  for (const queue of queues) {
    await client.call(1, ["queue.bind", "queue.bind-ok"], { exchange: name, queue });
    await consume(client, queue, queue);
  }
  for (let count = 0; count < 30; count++) {
    client.send(1, "basic.publish", { exchange: name, routingKey: `any ${count}` });
  }
  const tags: string[] = [];
  for (let count = 0; count < 30; count++) {
    tags.push((await client.next(1, "basic.deliver")).arguments.consumerTag);
  }
  assertEquals(new Set(tags), new Set(queues));
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
}, { versions: ["4.0", "4.3"] });

for (
  const [what, text] of [
    ["a key", "Non empty binding 'k' key not permitted"],
    ["a quorum queue", "Queue type rabbit_quorum_queue not valid for this exchange type"],
  ] as const
) {
  onBothBrokers(`Exchange of type x-local-random refuses ${what}`, async ({ open, name }) => {
    const client = await open();
    const exchange = { exchange: name, type: "x-local-random" };
    await client.call(1, ["exchange.declare", "exchange.declare-ok"], exchange);
    const isKey = what === "a key";
    const arguments_ = isKey ? table({}) : quorum();
    await declareQueue(client, { queue: name, durable: true, arguments: arguments_ });
    const attempt = client.call(1, ["queue.bind", "queue.bind-ok"], {
      exchange: name,
      queue: name,
      routingKey: isKey ? "k" : "",
      // An empty key of a named queue is meant as it is.
    });
    assertStringIncludes(await refusal(attempt), `PRECONDITION_FAILED - ${text}`);
    client.send(1, "channel.close-ok");
    await client.openChannel(2);
    await client.call(2, ["exchange.delete", "exchange.delete-ok"], { exchange: name });
  }, { versions: ["4.0", "4.3"] });
}

onBothBrokers("basic.qos of a channel limits each consumer in 4.3", async ({ open, compat }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  await client.call(1, ["basic.qos", "basic.qos-ok"], { prefetchCount: 1, global: true });
  await consume(client, queue, "one");
  await consume(client, queue, "two");
  for (const body of ["a", "b", "c"]) publish(client, queue, body);
  await client.next(1, "basic.deliver");
  if (compat === "4.3") await client.next(1, "basic.deliver");
  const other = await open();
  const left = await other.call(1, ["basic.qos", "basic.qos-ok"]).then(() =>
    client.call(1, ["queue.purge", "queue.purge-ok"], { queue })
  );
  assertEquals(left.arguments.messageCount, compat === "4.3" ? 1 : 2);
});

onBothBrokers("basic.consume of a quorum queue and a limit of the channel", async (bench) => {
  const client = await bench.open();
  const { name: queue, compat } = bench;
  await declareQueue(client, { queue, durable: true, arguments: quorum() });
  await client.call(1, ["basic.qos", "basic.qos-ok"], { prefetchCount: 1, global: true });
  if (compat === "4.3") return await consume(client, queue);
  assertStringIncludes(
    await refusal(consume(client, queue)),
    `NOT_IMPLEMENTED - queue '${queue}' in vhost '/' does not support global qos`,
  );
});

async function giveBack(client: RawClient, how: MethodName, deliveryTag: number): Promise<void> {
  if (how === "basic.nack" || how === "basic.reject") {
    client.send(1, how, { deliveryTag, requeue: true });
  } else if (how === "basic.recover") {
    await client.call(1, ["basic.recover", "basic.recover-ok"], { requeue: true });
  } else {
    await client.call(1, ["channel.close", "channel.close-ok"], { replyCode: 200 });
    await client.openChannel(1);
  }
}

async function consumeWithPriority(
  client: RawClient,
  { priority, ...values }: {
    readonly queue: string;
    readonly consumerTag: string;
    readonly priority: number;
  },
): Promise<void> {
  const arguments_ = table({ "x-priority": integer(priority) });
  const consumed = { ...values, arguments: arguments_ };
  await client.call(1, ["basic.consume", "basic.consume-ok"], consumed);
}

function withPriority(priority: number | undefined): PropertyChanges {
  return priority === undefined ? {} : { priority };
}

function countsOf(message: Received & { readonly name: "basic.deliver" | "basic.get-ok" }): Counts {
  const headers = message.properties?.headers;
  return [
    integerOf(headers?.get("x-acquired-count")),
    integerOf(headers?.get("x-delivery-count")),
    message.arguments.redelivered,
  ];
}

function rawDeathsOf(message: Received): FieldTable[] {
  const deaths = message.properties?.headers.get("x-death");
  return deaths?.type === "array"
    ? decodeArray(deaths.value).flatMap((item) =>
      item.type === "table" ? [decodeTable(item.value)] : []
    )
    : [];
}

function deathsOf(message: Received): string[][] {
  return rawDeathsOf(message).map((death) => [...death.keys()]);
}
