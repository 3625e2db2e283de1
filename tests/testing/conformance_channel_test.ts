import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../deps/std_assert.ts";
import { declareQueue, onBothBrokers, refusal, textOfBody } from "./helpers/both_brokers.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { headerFrame, methodFrame } from "./helpers/bare_broker.ts";

const REPLY_TO = "amq.rabbitmq.reply-to";

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

onBothBrokers("Connection answers a foreign protocol with its own", async ({ url }) => {
  using client = await RawClient.dial(url);
  client.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  await client.ended();
});

onBothBrokers("Connection refuses a frame that is too large", async ({ open }) => {
  const client = await open({ frameMax: 4096 });
  client.write(Uint8Array.of(1, 0, 1, 0, 0, 0x20, 0));
  assertMatch(
    await refusal(client.next(0, "connection.open-ok")),
    /FRAME_ERROR - type 1, all octets = <<>>: \{frame_too_large,8192,4088\}/,
  );
});

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
      "an unknown exchange type",
      "COMMAND_INVALID - unknown exchange type 'odd'",
      (client) => client.send(1, "exchange.declare", { exchange: "x", type: "odd" }),
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

onBothBrokers("basic.return comes before the confirm", async ({ open, name }) => {
  const client = await open();
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  client.send(1, "basic.publish", { routingKey: name, mandatory: true });
  await client.next(1, "basic.ack");
  assertEquals(client.received.map((item) => item.name), ["basic.return"]);
});

onBothBrokers("Direct reply-to carries a reply to its channel", async ({ open, name }) => {
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
  // RabbitMQ 3.10 returns it although it was delivered.
  await server.next(1, "basic.return");
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
