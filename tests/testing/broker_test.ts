import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { TestBroker, VirtualClock } from "../../testing/mod.ts";
import { type FieldValue, longString, textOf } from "../../testing/wire/field_value.ts";
import { PROTOCOL_HEADER } from "../../testing/wire/frame.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";
import { handshake } from "./helpers/bare_broker.ts";
import { declareQueue, refusal } from "./helpers/both_brokers.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";

const START_FIXTURE = new URL("./fixtures/start_to_delivery.ts", import.meta.url).href;

Deno.test("TestBroker.close() leaves nothing that keeps a process alive", async () => {
  assert(Number(await runChild(START_FIXTURE)) > 0);
});

Deno.test("TestBroker.start() rejects when the port is taken", async () => {
  await using broker = await TestBroker.start();
  assertStringIncludes(await refusal(TestBroker.start({ port: broker.port })), "EADDRINUSE");
});

for (
  const [options, kind, text] of [
    [{ port: 65_536 }, RangeError, '"port" must be an integer from 0 to 65535'],
    [{ frameMax: 0 }, RangeError, '"frameMax" must be an integer from 4096 to 2147483647'],
    [{ compat: "4.3", frameMax: 4096 }, RangeError, '"frameMax" must be an integer from 8192'],
    [{ maxMessageBytes: 0 }, RangeError, '"maxMessageBytes" must be an integer from 1'],
    [{ heartbeatSeconds: 0.5 }, RangeError, '"heartbeatSeconds" must be an integer from 0'],
    [{ consumerTimeoutMs: NaN }, RangeError, '"consumerTimeoutMs" must be a number of at least 1'],
    [{ logCapacity: -1 }, RangeError, '"logCapacity" must be an integer of at least 0'],
    [{ limits: { maxQueues: 0 } }, RangeError, '"maxQueues" must be an integer of at least 1'],
    [{ users: [] }, TypeError, '"users" must be a list of at least one: current value is an array'],
    [{ users: [{ name: "", password: "" }] }, TypeError, '"name" must be a text'],
    [
      { users: [{ name: "a", password: "", permissions: { "/": { read: "(" } } }] },
      TypeError,
      '"read" must be a regular expression: current value is "("',
    ],
  ] as const
) {
  Deno.test(`TestBroker.start() checks options: ${JSON.stringify(options)}`, async () => {
    const attempt = TestBroker.start(options);
    await assertRejects(() => attempt, kind, `Cannot start broker as ${text}`);
  });
}

Deno.test("TestBroker.start() checks its compat", async () => {
  const compat = JSON.parse('"4"');
  const text = '"compat" must be one of "3.10", "4.0", "4.3": current value is "4"';
  await assertRejects(() => TestBroker.start({ compat }), TypeError, text);
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

Deno.test("TestBroker sends a heartbeat in each half interval", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  await using wire = await Wire.open(broker.url, { heartbeat: 10 });
  for (let half = 0; half < 4; half++) clock.advance(5000);
  await wire.received(4 * HEARTBEAT.length);
  assertEquals(wire.bytes, Array.from({ length: 4 }, () => HEARTBEAT).flat());
});

Deno.test("TestBroker sends no heartbeat in place of other traffic", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  await using wire = await Wire.open(broker.url, { heartbeat: 10 });
  clock.advance(5000);
  await wire.received(HEARTBEAT.length);
  await wire.write(OPEN_CHANNEL);
  await wire.received(HEARTBEAT.length + CHANNEL_OPEN.length);
  clock.advance(5000);
  clock.advance(5000);
  await wire.received(2 * HEARTBEAT.length + CHANNEL_OPEN.length);
  assertEquals(wire.bytes, [...HEARTBEAT, ...CHANNEL_OPEN, ...HEARTBEAT]);
});

Deno.test("TestBroker takes a client for lost after two whole silent intervals", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url, { heartbeat: 10 });
  // As RabbitMQ does: it looks once in each interval, and the first of them is forgiven.
  clock.advance(29_999);
  assertEquals(broker.connectionCount, 1);
  clock.advance(1);
  assertEquals(broker.connectionCount, 0);
  await client.ended();
});

Deno.test("TestBroker bears with a client that writes once in an interval", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url, { heartbeat: 10 });
  await client.openChannel(1);
  for (let interval = 0; interval < 10; interval++) {
    clock.advance(19_999);
    await client.call(1, ["basic.qos", "basic.qos-ok"]);
  }
});

Deno.test("TestBroker counts no silence of a client that it does not read", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ clock });
  using client = await RawClient.open(broker.url, { heartbeat: 10 });
  await client.openChannel(1);
  broker.faults.blockPublishers();
  client.send(1, "basic.publish");
  await client.next(0, "connection.blocked");
  clock.advance(600_000);
  broker.faults.unblockPublishers();
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
});

for (const compat of ["3.10", "4.0"] as const) {
  Deno.test(`TestBroker as ${compat} ends a channel that settles too late`, async () => {
    const clock = new VirtualClock();
    await using broker = await TestBroker.start({ compat, clock, consumerTimeoutMs: 5000 });
    using client = await RawClient.open(broker.url);
    await client.openChannel(1);
    await declareQueue(client, { queue: "q", durable: true });
    await client.call(1, ["basic.consume", "basic.consume-ok"], { queue: "q" });
    client.send(1, "basic.publish", { routingKey: "q" });
    await client.next(1, "basic.deliver");
    clock.advance(4999);
    await client.call(1, ["basic.qos", "basic.qos-ok"]);
    clock.advance(1);
    assertStringIncludes(
      await refusal(client.next(1, "basic.qos-ok")),
      "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: " +
        "5000 ms. This timeout value can be configured, see consumers doc guide to learn more",
    );
    assertEquals(messages(broker), { q: 1 });
  });
}

Deno.test("TestBroker as 4.3 cancels a consumer that settles too late", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ compat: "4.3", clock });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  const quorum = new Map([["x-queue-type", longString("quorum")]]);
  await declareQueue(client, { queue: "q", durable: true, arguments: quorum });
  await declareQueue(client, { queue: "classic", durable: true });
  const timeout: FieldValue = { type: "signedint", value: 5000n };
  await client.call(1, ["basic.consume", "basic.consume-ok"], {
    queue: "q",
    consumerTag: "late",
    arguments: new Map([["x-consumer-timeout", timeout]]),
  });
  await client.call(1, ["basic.consume", "basic.consume-ok"], { queue: "classic" });
  for (const routingKey of ["q", "classic"]) client.send(1, "basic.publish", { routingKey });
  const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
  await client.next(1, "basic.deliver");
  clock.advance(5000);
  assertEquals((await client.next(1, "basic.cancel")).arguments.consumerTag, "late");
  assertEquals(messages(broker), { q: 1, classic: 0 });
  // As in RabbitMQ: the consumer gets more once it has settled what it was too late with.
  client.send(1, "basic.ack", { deliveryTag });
  const again = await client.next(1, "basic.deliver");
  assertEquals([again.arguments.consumerTag, again.arguments.redelivered], ["late", true]);
  const count = again.properties?.headers.get("x-acquired-count")?.value;
  assertEquals(count, 1n);
});

Deno.test("TestBroker says why it refuses what was not proposed", async () => {
  await using broker = await TestBroker.start();
  using client = await RawClient.dial(broker.url);
  assertStringIncludes(
    await refusal(client.handshake({ frameMax: 200_000 }, broker.url)),
    "NOT_ALLOWED - negotiated frame_max = 200000 is higher than the maximum allowed value (131072)",
  );
});

for (const [compat, frameMax] of [["3.10", 4096], ["4.0", 4096], ["4.3", 8192]] as const) {
  Deno.test(`TestBroker as ${compat} takes frames from ${frameMax} bytes on`, async () => {
    await using broker = await TestBroker.start({ compat, frameMax: 20_000 });
    using client = await RawClient.open(broker.url, { frameMax });
    await client.openChannel(1);
    using small = await RawClient.dial(broker.url);
    assertStringIncludes(
      await refusal(small.handshake({ frameMax: frameMax - 1 }, broker.url)),
      `frame_max = ${frameMax - 1} is lower than the minimum allowed value (${frameMax})`,
    );
    using large = await RawClient.dial(broker.url);
    assertStringIncludes(
      await refusal(large.handshake({ frameMax: 20_001 }, broker.url)),
      "frame_max = 20001 is higher than the maximum allowed value (20000)",
    );
  });
}

for (const compat of ["3.10", "4.0", "4.3"] as const) {
  Deno.test(`TestBroker as ${compat} names it`, async () => {
    await using broker = await TestBroker.start({ compat });
    using client = await RawClient.dial(broker.url);
    client.write(PROTOCOL_HEADER);
    const { arguments: { serverProperties } } = await client.next(0, "connection.start");
    const version = textOf(serverProperties.get("version"));
    assertEquals(version?.startsWith(`${compat}.`), true);
  });
}

Deno.test("TestBroker as 4.3 lets nobody look at what he has no right to", async () => {
  const users = [
    { name: "owner", password: "secret" },
    {
      name: "reader",
      password: "secret",
      permissions: { "/": { configure: "", write: "", read: "^mine$" } },
    },
  ];
  for (const compat of ["4.0", "4.3"] as const) {
    await using broker = await TestBroker.start({ compat, users });
    using owner = await RawClient.open(broker.url);
    await owner.openChannel(1);
    for (const queue of ["mine", "other"]) await declareQueue(owner, { queue, durable: true });
    const credentials = { name: "reader", password: "secret" };
    using reader = await RawClient.open(broker.url, { credentials });
    await reader.openChannel(1);
    await declareQueue(reader, { queue: "mine", passive: true });
    const look = declareQueue(reader, { queue: "other", passive: true });
    if (compat === "4.0") {
      await look;
      continue;
    }
    assertStringIncludes(
      await refusal(look),
      "ACCESS_REFUSED - access to queue 'other' in vhost '/' refused for user 'reader'",
    );
  }
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
  await using broker = await TestBroker.start({
    maxMessageBytes: 10,
    limits: { maxTableDepth: 2 },
  });
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

const HEARTBEAT = [8, 0, 0, 0, 0, 0, 0, 206];
const OPEN_CHANNEL = Uint8Array.of(1, 0, 1, 0, 0, 0, 5, 0, 20, 0, 10, 0, 206);
const CHANNEL_OPEN = [1, 0, 1, 0, 0, 0, 8, 0, 20, 0, 11, 0, 0, 0, 0, 206];

/** What a broker writes once the connection is open, byte by byte. */
class Wire implements AsyncDisposable {
  readonly #socket: Deno.TcpConn;
  readonly bytes: number[] = [];

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async open(url: string, { heartbeat }: { heartbeat: number }): Promise<Wire> {
    const { hostname, port } = new URL(url);
    const socket = await Deno.connect({ hostname, port: Number(port) });
    const wire = new Wire(socket);
    for (const bytes of handshake(heartbeat)) await wire.write(bytes);
    // The frame of connection.open-ok is the last one of the handshake.
    while (!endsWith(wire.bytes, [0, 10, 0, 41, 0, 206])) await wire.#read();
    wire.bytes.length = 0;
    return wire;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#socket.write(bytes);
  }

  /** Reads until so many bytes have come. */
  async received(count: number): Promise<void> {
    while (this.bytes.length < count) await this.#read();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4096);
    const count = await this.#socket.read(buffer);
    if (count === null) throw new Error("Cannot read as the broker has ended the connection: end");
    this.bytes.push(...buffer.subarray(0, count));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    return Promise.resolve();
  }
}

function endsWith(bytes: readonly number[], end: readonly number[]): boolean {
  return bytes.slice(-end.length).join() === end.join();
}
