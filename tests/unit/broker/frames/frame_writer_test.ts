import { Buffer } from "node:buffer";
import type { Body } from "../../../../codec.ts";
import type { AmqpProperties } from "../../../../internal/broker/amqp.ts";
import { FrameWriter, UnsettledTags } from "../../../../internal/broker/frames/frame_writer.ts";
import { fc } from "../../../../deps/fast_check.ts";
import { assert, assertEquals } from "../../../../deps/std_assert.ts";
import { BasicProperties } from "../../../../testing/wire/basic_properties.ts";
import type { FieldValue } from "../../../../testing/wire/field_value.ts";
import { type Frame, FrameReader } from "../../../../testing/wire/frame.ts";
import { decodeMethod } from "../../../../testing/wire/method_codec.ts";

const CHANNEL = 0x102;
const NO_LIMIT = 0;

/** A writer, and what it has sent. */
function newWriter(frameMax = NO_LIMIT) {
  const writes: Uint8Array[] = [];
  const writer = new FrameWriter({ frameMax, write: (bytes) => writes.push(bytes) });
  const frames = (): Frame[] => {
    writer.flush();
    const reader = new FrameReader(Infinity);
    for (const bytes of writes.splice(0)) reader.push(bytes);
    return [...function* () {
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) yield frame;
    }()];
  };
  return { writer, writes, frames };
}

/** A message as its frames say. */
function readMessage([method, header, ...rest]: readonly Frame[]) {
  const { name, arguments: fields } = decodeMethod(method?.payload ?? new Uint8Array());
  const { buffer, byteOffset } = header?.payload ?? new Uint8Array();
  const view = new DataView(buffer, byteOffset);
  const properties = BasicProperties.decode(header?.payload.subarray(12) ?? new Uint8Array());
  return {
    name,
    fields,
    classId: view.getUint16(0),
    size: Number(view.getBigUint64(4)),
    properties,
    body: new TextDecoder().decode(rest[0]?.payload ?? new Uint8Array()),
    channels: new Set([method, header, ...rest].map((frame) => frame?.channel)),
    types: [method, header, ...rest].map((frame) => frame?.type),
  };
}

function valueOf({ type, value }: FieldValue): unknown {
  if (type === "longstr") return new TextDecoder().decode(value);
  return typeof value === "bigint" ? Number(value) : value;
}

const ascii = fc.option(fc.string({ unit: "binary-ascii", maxLength: 255 }), { nil: undefined });
const properties = fc.record({
  contentType: ascii,
  contentEncoding: ascii,
  headers: fc.option(
    fc.dictionary(
      fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 20 }),
      fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 30 }),
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.integer({ min: -70_000, max: 70_000 }),
        fc.constant(undefined),
      ),
      { maxKeys: 4, noNullPrototype: true },
    ),
    { nil: undefined },
  ),
  deliveryMode: fc.constantFrom(undefined, 1, 2),
  priority: fc.option(fc.nat(255), { nil: undefined }),
  correlationId: ascii,
  replyTo: ascii,
  expiration: ascii,
  messageId: ascii,
  type: ascii,
  userId: ascii,
  appId: ascii,
}, { noNullPrototype: true });
const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary-ascii", minLength: 90, maxLength: 300 }),
);

Deno.test("FrameWriter writes messages that say what they were told to", () => {
  const { writer, frames } = newWriter();
  fc.assert(fc.property(properties, text, fc.boolean(), (values, body, isText) => {
    const fields = { exchange: "exchange", routingKey: "queue", mandatory: true };
    const encoded = isText ? body : new TextEncoder().encode(body);
    const properties = values as AmqpProperties;
    const isWritten = writer.message(CHANNEL, { ...fields, properties, body: encoded });
    // Many long headers are left to amqplib.
    if (!isWritten) return assertEquals(frames(), []);
    const message = readMessage(frames());
    assertEquals(message.name, "basic.publish");
    assertEquals(message.fields, { ...fields, ticket: 0, immediate: false });
    assertEquals(message.channels, new Set([CHANNEL]));
    assertEquals(message.types, body === "" ? [1, 2] : [1, 2, 3]);
    assertEquals(message.classId, 60);
    assertEquals(message.size, new TextEncoder().encode(body).length);
    assertEquals(message.body, body);
    const { headers, deliveryMode, priority, ...texts } = values;
    for (const [name, value] of Object.entries(texts)) {
      assertEquals(message.properties.text(name as keyof typeof texts), value);
    }
    assertEquals(message.properties.deliveryMode, deliveryMode);
    assertEquals(message.properties.priority, priority);
    assertEquals(message.properties.hasHeaders, headers !== undefined);
    const told = Object.entries(headers ?? {}).filter(([, value]) => value !== undefined);
    assertEquals(
      [...message.properties.headers].map(([name, value]) => [name, valueOf(value)]),
      told,
    );
  }));
});

Deno.test("FrameWriter leaves to amqplib what is large, rare or wrong, and writes none of it", () => {
  const { writer, frames } = newWriter(8_192);
  const fields = { routingKey: "queue", mandatory: false };
  const isWritten = (values: Record<string, unknown>, body: unknown = "body", other = fields) =>
    writer.message(CHANNEL, { ...other, properties: values as AmqpProperties, body: body as Body });
  const rare: Record<string, unknown>[] = [
    { timestamp: 1 },
    { type: "é" },
    { type: "x".repeat(256) },
    { type: 7 },
    { priority: 256 },
    { priority: 1.5 },
    { headers: { key: 1.5 } },
    { headers: { key: null } },
    { headers: { key: { "!": "timestamp", value: 1 } } },
    { headers: { ["x".repeat(256)]: 1 } },
    { headers: { key: "x".repeat(2_000) } },
    { headers: Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`key-${n}`, n])) },
  ];
  for (const values of rare) assertEquals(isWritten(values), false, JSON.stringify(values));
  assertEquals(isWritten({}, "x".repeat(100_000)), false);
  assertEquals(isWritten({}, [1, 2, 3]), false);
  // Each of them takes three bytes, so that they do not fit into the frame.
  assertEquals(isWritten({}, "語".repeat(3_000)), false);
  assertEquals(isWritten({}, "body", { ...fields, routingKey: "x".repeat(256) }), false);
  assertEquals(frames(), []);
  assertEquals(isWritten({ type: "plain" }), true);
  assertEquals(readMessage(frames()).properties.text("type"), "plain");
});

Deno.test("FrameWriter sends what one turn has written at its end, in one piece and in order", async () => {
  const { writer, writes, frames } = newWriter();
  const write = (body: string) =>
    writer.message(1, { routingKey: "queue", mandatory: false, properties: {}, body });
  // The callback of a timer is the turn whose microtasks come last.
  await new Promise((resolve) => setTimeout(() => resolve(write("first"))));
  await Promise.resolve();
  writer.ack(1, 2 ** 40 + 7, true);
  await Promise.resolve().then(() => write("last"));
  assertEquals(writes.length, 0);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(writes.length, 1);
  const found = frames();
  assertEquals(readMessage(found.slice(0, 3)).body, "first");
  assertEquals(decodeMethod(found[3]?.payload ?? new Uint8Array()), {
    name: "basic.ack",
    arguments: { deliveryTag: 2 ** 40 + 7, multiple: true },
  });
  assertEquals(readMessage(found.slice(4)).body, "last");
});

Deno.test("FrameWriter writes acknowledgements of one turn as one, if the last stands for all", () => {
  const { writer, frames } = newWriter();
  const write = () =>
    writer.message(1, { routingKey: "queue", mandatory: false, properties: {}, body: "" });
  writer.ack(1, 1, true);
  writer.ack(1, 2, true);
  // Not all before it are settled: it stands for itself, and nothing takes its place but a later one.
  writer.ack(1, 5, false);
  writer.ack(1, 3, true);
  // Of another channel.
  writer.ack(2, 4, true);
  write();
  writer.ack(2, 5, true);
  writer.flush();
  writer.ack(2, 6, true);
  writer.ack(2, 7, true);
  writer.flush();
  const acks = frames().flatMap(({ channel, payload }) => {
    if (payload.length !== 13) return [];
    const method = decodeMethod(payload);
    return method.name === "basic.ack" ? [[channel, ...Object.values(method.arguments)]] : [];
  });
  assertEquals(acks, [
    [1, 2, true],
    [1, 5, false],
    [1, 3, true],
    [2, 4, true],
    [2, 5, true],
    [2, 7, true],
  ]);
});

Deno.test("UnsettledTags knows whether all before a delivery are settled", () => {
  const tags = new UnsettledTags();
  for (const tag of [1, 2, 3, 5]) tags.add(tag);
  assertEquals(tags.settle(2), false);
  assertEquals(tags.settle(1), true);
  assertEquals(tags.settle(5), false);
  assertEquals(tags.settle(3), true);
  // What was consumed without acknowledgement has tags, too, which nobody waits for.
  tags.add(9);
  assertEquals(tags.settle(9), true);
});

Deno.test("UnsettledTags never takes a delivery for settled that is not", () => {
  fc.assert(fc.property(fc.infiniteStream(fc.nat()), (choices) => {
    const tags = new UnsettledTags();
    const open: number[] = [];
    for (let tag = 1; tag <= 200; tag++) {
      tags.add(tag);
      open.push(tag);
      const [choice = 0] = choices.take(1);
      if (choice % 3 === 0) continue;
      const [settled = 0] = open.splice(choice % open.length, 1);
      assertEquals(tags.settle(settled), open.every((other) => other > settled));
    }
  }));
});

Deno.test("FrameWriter never changes what it has sent", () => {
  const { writer, writes, frames } = newWriter();
  const bodies = Array.from({ length: 500 }, (_, number) => `${number} `.repeat(200));
  const copies: Uint8Array[] = [];
  for (const body of bodies) {
    writer.message(1, { routingKey: "queue", mandatory: false, properties: {}, body });
    while (copies.length < writes.length) {
      copies.push(Buffer.from(writes[copies.length] ?? []));
    }
  }
  assert(copies.length > 1);
  assertEquals(writes.slice(0, copies.length).map((bytes) => Buffer.from(bytes)), copies);
  const found = frames();
  assertEquals(found.length, 3 * bodies.length);
  bodies.forEach((body, index) => {
    assertEquals(readMessage(found.slice(3 * index, 3 * index + 3)).body, body);
  });
});
