import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import {
  type ByVersion,
  declareQueue,
  onBothBrokers,
  refusal,
  textOfBody,
} from "./helpers/both_brokers.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { type Compat, COMPAT_VERSIONS } from "../../testing/model/version_rules.ts";
import { longString } from "../../testing/wire/field_value.ts";
import type { MethodName } from "../../testing/wire/methods.ts";
import { headerFrame, methodFrame } from "./helpers/bare_broker.ts";
import { consume, get, integer, publish, table } from "./helpers/steps.ts";

const REPLY_TO = "amq.rabbitmq.reply-to";

/** Versions in which a method causes deliveries, if not all. */
const AFFECTED: Partial<Record<MethodName, readonly Compat[]>> = {
  // The limit of a whole channel.
  "basic.qos-ok": ["3.10", "4.0"],
  // Version 3.10 serves nobody in the place of a single active consumer until something happens.
  "basic.cancel-ok": ["4.0", "4.3"],
};

onBothBrokers("Connection refuses a wrong password with 403", async ({ url }) => {
  using client = await RawClient.dial(url);
  const attempt = client.handshake({ credentials: { name: "guest", password: "wrong" } }, url);
  assertStringIncludes(
    await refusal(attempt),
    "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see " +
      "the broker logfile.",
  );
});

onBothBrokers("Connection refuses a virtual host that is not there", async ({ url }) => {
  using client = await RawClient.dial(url);
  const attempt = client.handshake({ virtualHost: "nowhere" }, url);
  assertStringIncludes(await refusal(attempt), "NOT_ALLOWED - vhost nowhere not found");
});

for (
  const [header, answer] of [
    ["GET / HTTP/1.1\r\n\r\n", { "3.10": [0, 0, 9, 1], "4.0": [3, 1, 0, 0], "4.3": [3, 1, 0, 0] }],
    ["AMQP\0\0\x08\0", { "3.10": [0, 0, 9, 1], "4.0": [3, 1, 0, 0], "4.3": [3, 1, 0, 0] }],
    ["AMQP\0\0\x0a\x01", { "3.10": [0, 0, 9, 1], "4.0": [0, 0, 9, 1], "4.3": [0, 0, 9, 1] }],
  ] as readonly (readonly [string, ByVersion<number[]>])[]
) {
  onBothBrokers(
    `Connection answers ${JSON.stringify(header)} with its own`,
    async ({ url, compat }) => {
      const { hostname, port } = new URL(url);
      using socket = await Deno.connect({ hostname, port: Number(port) });
      await socket.write(new TextEncoder().encode(header));
      const buffer = new Uint8Array(8);
      assertEquals(await socket.read(buffer), 8);
      assertEquals([...buffer], [...new TextEncoder().encode("AMQP"), ...answer[compat]]);
    },
  );
}

onBothBrokers("Connection takes the header of AMQP 0-9", async ({ url }) => {
  using client = await RawClient.dial(url);
  client.write(new TextEncoder().encode("AMQP\x01\x01\0\x09"));
  const { arguments: { versionMajor, versionMinor } } = await client.next(0, "connection.start");
  assertEquals([versionMajor, versionMinor], [0, 9]);
});

onBothBrokers("Connection refuses a frame that is too large", async ({ open }) => {
  const client = await open({ frameMax: 8192 });
  client.write(Uint8Array.of(1, 0, 1, 0, 0, 0x40, 0));
  assertMatch(
    await refusal(client.next(0, "connection.open-ok")),
    /FRAME_ERROR - type 1, all octets = <<>>: \{frame_too_large,16384,8184\}/,
  );
});

for (
  const [what, frame, text] of [
    [
      "a heartbeat with a payload",
      [8, 0, 0, 0, 0, 0, 1, 7, 206],
      "type 8, all octets = <<7>>: unkn",
    ],
    [
      "a frame of no type",
      [9, 0, 1, 0, 0, 0, 1, 7, 206],
      "type 9, all octets = <<7>>: unknown_frame",
    ],
    [
      "a method cut short",
      [1, 0, 1, 0, 0, 0, 3, 0, 60, 0, 206],
      "type 1, all octets = <<0,60,0>>: unk",
    ],
    ["arguments cut short", [1, 0, 1, 0, 0, 0, 5, 0, 60, 0, 70, 0, 206], "cannot decode <<0>>"],
    [
      "arguments that go on",
      [1, 0, 1, 0, 0, 0, 12, 0, 60, 0, 10, 0, 0, 0, 0, 0, 1, 0, 9, 206],
      "cannot decode <<0,0,0,0,0,1,0,9>>",
    ],
    [
      "a name that is not UTF-8",
      [1, 0, 1, 0, 0, 0, 8, 0, 60, 0, 30, 2, 0xff, 0xfe, 0, 206],
      "Malformed UTF-8 in shortstr",
    ],
  ] as const
) {
  onBothBrokers(`Connection ends over ${what}`, async ({ open }) => {
    const client = await open();
    client.write(Uint8Array.from(frame));
    assertStringIncludes(
      await refusal(client.next(0, "connection.open-ok")),
      `FRAME_ERROR - ${text}`,
    );
  });
}

onBothBrokers("Connection refuses a frame without its end", async ({ open }) => {
  const client = await open();
  client.write(Uint8Array.of(1, 0, 1, 0, 0, 0, 1, 7, 0));
  assertStringIncludes(
    await refusal(client.next(0, "connection.open-ok")),
    "FRAME_ERROR - type 1, all octets = <<7>>: {invalid_frame_end_marker,0}",
  );
});

onBothBrokers("Connection refuses a body where none belongs", async ({ open }) => {
  const client = await open();
  client.write(headerFrame(1, 5));
  assertStringIncludes(
    await refusal(client.next(0, "connection.open-ok")),
    "UNEXPECTED_FRAME - expected method frame, got non method frame instead",
  );
});

onBothBrokers("Connection refuses a method where a header belongs", async ({ open }) => {
  const client = await open();
  const publish = { ticket: 0, exchange: "", routingKey: "", mandatory: false, immediate: false };
  client.write(methodFrame(1, "basic.publish", publish));
  client.send(1, "basic.qos");
  assertStringIncludes(
    await refusal(client.next(0, "connection.open-ok")),
    "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
  );
});

for (
  const [what, text, act] of [
    [
      "a second channel.open",
      "CHANNEL_ERROR - second 'channel.open' seen",
      (client) => client.send(1, "channel.open"),
    ],
    [
      "a channel that is not open",
      "CHANNEL_ERROR - expected 'channel.open'",
      (client) => client.send(7, "basic.qos"),
    ],
    [
      "immediate publishes",
      "NOT_IMPLEMENTED - immediate=true",
      (client) => client.send(1, "basic.publish", { immediate: true }),
    ],
    ["a consumer tag twice", "NOT_ALLOWED - attempt to reuse consumer tag 'c'", (client) => {
      client.send(1, "queue.declare", { exclusive: true });
      client.send(1, "basic.consume", { consumerTag: "c" });
      client.send(1, "basic.consume", { consumerTag: "c" });
    }],
  ] as readonly (readonly [string, string, (client: RawClient) => void])[]
) {
  onBothBrokers(`Connection ends over ${what}`, async ({ open }) => {
    const client = await open();
    act(client);
    assertStringIncludes(await refusal(client.next(0, "connection.open-ok")), text);
  });
}

for (
  const [what, text, act] of [
    [
      "an unknown delivery tag",
      "PRECONDITION_FAILED - unknown delivery tag 9",
      (client) => client.send(1, "basic.ack", { deliveryTag: 9 }),
    ],
    [
      "an exchange that is not there",
      "NOT_FOUND - no exchange 'none' in vhost '/'",
      (client) => client.send(1, "basic.publish", { exchange: "none" }),
    ],
    [
      "a broken expiration",
      "PRECONDITION_FAILED - invalid expiration '1.5': ",
      (client) => client.send(1, "basic.publish", {}, { properties: { expiration: "1.5" } }),
    ],
    [
      "a forged user id",
      "PRECONDITION_FAILED - user_id property set to 'eve' but ",
      (client) => client.send(1, "basic.publish", {}, { properties: { userId: "eve" } }),
    ],
    [
      "the default exchange",
      "ACCESS_REFUSED - operation not permitted on the default ",
      (client) => client.send(1, "exchange.delete", { exchange: "" }),
    ],
    [
      "no queue declared before",
      "NOT_FOUND - no previously declared queue",
      (client) => client.send(1, "basic.get"),
    ],
    [
      "a transaction that was not begun",
      "PRECONDITION_FAILED - channel is not ",
      (client) => client.send(1, "tx.commit"),
    ],
    [
      "a direct reply without consumer",
      "PRECONDITION_FAILED - fast reply consumer does",
      (client) => client.send(1, "basic.publish", {}, { properties: { replyTo: REPLY_TO } }),
    ],
    [
      "direct replies to acknowledge",
      "PRECONDITION_FAILED - reply consumer cannot ack",
      (client) => client.send(1, "basic.consume", { queue: REPLY_TO }),
    ],
    [
      "two consumers of direct replies",
      "PRECONDITION_FAILED - reply consumer already ",
      (client) => {
        client.send(1, "basic.consume", { queue: REPLY_TO, noAck: true });
        client.send(1, "basic.consume", { queue: REPLY_TO, noAck: true, consumerTag: "two" });
      },
    ],
  ] as readonly (readonly [string, string, (client: RawClient) => void])[]
) {
  onBothBrokers(`Channel ends over ${what}`, async ({ open }) => {
    const client = await open();
    act(client);
    assertStringIncludes(await refusal(client.next(1, "channel.open-ok")), text);
    client.send(1, "channel.close-ok");
    await client.openChannel(2);
  });
}

onBothBrokers("exchange.declare of an unknown type closes", async ({ open, name, compat }) => {
  const client = await open();
  client.send(1, "exchange.declare", { exchange: name, type: "odd" });
  const [channel, text] = compat === "3.10"
    ? [0, "COMMAND_INVALID - unknown exchange type 'odd'"]
    : [1, "PRECONDITION_FAILED - unknown exchange type 'odd'"];
  await refusal(client.next(1, "channel.open-ok"));
  const [close] = client.received;
  assert(close?.name === "channel.close" || close?.name === "connection.close");
  assertEquals([close.channel, close.arguments.replyText], [channel, text]);
});

onBothBrokers("Channel ends over a body that is too large, not its connection", async (bench) => {
  const client = await bench.open();
  const limit = { "3.10": 128, "4.0": 16, "4.3": 16 }[bench.compat] * 1024 * 1024;
  await client.openChannel(2);
  client.send(1, "basic.publish", {}, { body: new Uint8Array(limit + 1) });
  const attempt = client.next(1, "channel.open-ok");
  assertStringIncludes(
    await refusal(attempt),
    `PRECONDITION_FAILED - message size ${limit + 1} is larger than configured max size ${limit}`,
  );
  client.send(1, "channel.close-ok");
  await client.call(2, ["basic.qos", "basic.qos-ok"]);
}, { versions: ["4.0", "4.3"] });

onBothBrokers("basic.return comes before the confirm", async ({ open, name }) => {
  const client = await open();
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  client.send(1, "basic.publish", { routingKey: name, mandatory: true });
  await client.next(1, "basic.ack");
  assertEquals(client.received.map((item) => item.name), ["basic.return"]);
});

onBothBrokers("Direct reply-to carries a reply to its channel", async ({ open, name, compat }) => {
  const [caller, server] = [await open(), await open()];
  await declareQueue(server, { queue: name, exclusive: true });
  await server.call(1, ["basic.consume", "basic.consume-ok"], { queue: name, noAck: true });
  await caller.call(1, ["basic.consume", "basic.consume-ok"], { queue: REPLY_TO, noAck: true });
  caller.send(1, "basic.publish", { routingKey: name }, { properties: { replyTo: REPLY_TO } });
  const request = await server.next(1, "basic.deliver");
  const replyTo = request.properties?.text("replyTo") ?? "";
  assert(replyTo.startsWith(`${REPLY_TO}.`));
  assertEquals(await declareQueue(server, { queue: replyTo, passive: true }), replyTo);
  server.send(1, "basic.publish", { routingKey: replyTo, mandatory: true }, {
    body: new TextEncoder().encode("reply"),
  });
  assertEquals(textOfBody(await caller.next(1, "basic.deliver")), "reply");
  await server.call(1, ["basic.qos", "basic.qos-ok"]);
  // Until 4.2 RabbitMQ returns it although it was delivered.
  const returned = server.received.filter((item) => item.name === "basic.return");
  assertEquals(returned.length, compat === "4.3" ? 0 : 1);
});

onBothBrokers("Direct reply to nobody is returned", async ({ open, compat }) => {
  const [caller, server] = [await open(), await open()];
  const queue = await declareQueue(server, { exclusive: true });
  await caller.call(1, ["basic.consume", "basic.consume-ok"], { queue: REPLY_TO, noAck: true });
  await server.call(1, ["basic.consume", "basic.consume-ok"], { queue, noAck: true });
  caller.send(1, "basic.publish", { routingKey: queue }, { properties: { replyTo: REPLY_TO } });
  const gone = (await server.next(1, "basic.deliver")).properties?.text("replyTo") ?? "";
  await caller.call(1, ["channel.close", "channel.close-ok"], { replyCode: 200 });
  for (const routingKey of [gone, `${REPLY_TO}.odd`]) {
    server.send(1, "basic.publish", { routingKey, mandatory: true });
  }
  await server.call(1, ["basic.qos", "basic.qos-ok"]);
  const returned = server.received.flatMap((item) =>
    item.name === "basic.return" ? [item.arguments.routingKey] : []
  );
  assertEquals(returned, compat === "4.3" ? [`${REPLY_TO}.odd`] : [gone, `${REPLY_TO}.odd`]);
});

for (
  const [address, closes] of [
    [`${REPLY_TO}.odd`, { "3.10": 404, "4.0": 404, "4.3": 541 }],
    [`${REPLY_TO}.odd.odd`, { "3.10": 541, "4.0": 541, "4.3": 541 }],
  ] as readonly (readonly [string, ByVersion<number>])[]
) {
  onBothBrokers(`queue.declare passive of "${address}" closes`, async ({ open, compat }) => {
    const client = await open();
    await refusal(declareQueue(client, { queue: address, passive: true }));
    const [close] = client.received;
    assert(close?.name === "channel.close" || close?.name === "connection.close");
    const { replyCode, replyText } = close.arguments;
    assertEquals(replyCode, closes[compat]);
    if (replyCode === 541) assertEquals(replyText, "INTERNAL_ERROR");
  });
}

onBothBrokers("queue.bind of a reply address is refused", async ({ open, compat }) => {
  const client = await open();
  const queue = `${REPLY_TO}.x`;
  const attempt = client.call(1, ["queue.bind", "queue.bind-ok"], { queue, exchange: "amq.topic" });
  assertStringIncludes(
    await refusal(attempt),
    compat === "4.3"
      ? "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue"
      : `NOT_FOUND - no queue '${queue}' in vhost '/'`,
  );
});

onBothBrokers("tx.commit makes publishes and acks happen together", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  await client.call(1, ["tx.select", "tx.select-ok"]);
  client.send(1, "basic.publish", { routingKey: queue });
  await client.call(1, ["tx.rollback", "tx.rollback-ok"]);
  client.send(1, "basic.publish", { routingKey: queue });
  await client.call(1, ["basic.get", "basic.get-empty"], { queue });
  await client.call(1, ["tx.commit", "tx.commit-ok"]);
  await client.call(1, ["basic.get", "basic.get-ok"], { queue });
});

onBothBrokers("tx.commit fails if a full queue rejects a publish", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, {
    exclusive: true,
    arguments: table({ "x-max-length": integer(1), "x-overflow": longString("reject-publish") }),
  });
  await client.call(1, ["tx.select", "tx.select-ok"]);
  publish(client, queue, "fits");
  publish(client, queue, "does not");
  assertStringIncludes(
    await refusal(client.call(1, ["tx.commit", "tx.commit-ok"])),
    "PRECONDITION_FAILED - partial tx completion",
  );
});

onBothBrokers("tx.commit publishes before it settles", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, {
    exclusive: true,
    arguments: table({ "x-max-length": integer(1) }),
  });
  publish(client, queue, "held");
  const { arguments: { deliveryTag } } = await get(client, queue);
  await client.call(1, ["tx.select", "tx.select-ok"]);
  client.send(1, "basic.reject", { deliveryTag, requeue: true });
  publish(client, queue, "new");
  await client.call(1, ["tx.commit", "tx.commit-ok"]);
  // What comes back goes to the head, from where the limit drops it.
  assertEquals(textOfBody(await get(client, queue)), "new");
});

for (
  const [method, act] of [
    ["basic.recover-ok", (client) => client.send(1, "basic.recover", { requeue: true })],
    ["basic.qos-ok", (client) => client.send(1, "basic.qos", { prefetchCount: 0, global: true })],
    ["tx.commit-ok", (client) => {
      client.send(1, "tx.select");
      client.send(1, "basic.nack", { multiple: true, requeue: true });
      client.send(1, "tx.commit");
    }],
    ["basic.cancel-ok", (client) => client.send(1, "basic.cancel", { consumerTag: "first" })],
  ] as readonly (readonly [MethodName, (client: RawClient) => void])[]
) {
  onBothBrokers(`${method} comes before what it causes`, async ({ open }) => {
    const client = await open();
    const isSingle = method === "basic.cancel-ok";
    const arguments_ = table({ "x-single-active-consumer": { type: "bool", value: isSingle } });
    const queue = await declareQueue(client, { exclusive: true, arguments: arguments_ });
    const limit = method === "basic.qos-ok" || isSingle ? 1 : 0;
    await client.call(1, ["basic.qos", "basic.qos-ok"], {
      prefetchCount: limit,
      global: method === "basic.qos-ok",
    });
    await consume(client, queue, "first");
    await consume(client, queue, "second");
    for (const body of ["a", "b"]) publish(client, queue, body);
    await client.next(1, "basic.deliver");
    if (limit === 0) await client.next(1, "basic.deliver");
    client.takeAll();
    act(client);
    while (!client.received.some(({ name }) => name === "basic.deliver")) await client.change("");
    const names = client.received.map(({ name }) => name).filter((name) => name !== "tx.select-ok");
    assertEquals(names.slice(0, 2), [method, "basic.deliver"]);
  }, { versions: AFFECTED[method] ?? COMPAT_VERSIONS });
}

onBothBrokers("tx.commit delivers what was published before it", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  await consume(client, queue);
  await client.call(1, ["tx.select", "tx.select-ok"]);
  publish(client, queue, "new");
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  client.send(1, "tx.commit");
  while (client.received.length < 2) await client.change("");
  // A queue of RabbitMQ answers the channel first and then delivers: either may be seen first.
  assertEquals(client.received.map(({ name }) => name).toSorted(), [
    "basic.deliver",
    "tx.commit-ok",
  ]);
});
