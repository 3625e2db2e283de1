import { assertEquals, assertThrows } from "../../deps/std_assert.ts";
import { AmqpError } from "../../testing/wire/amqp_error.ts";
import { BasicProperties } from "../../testing/wire/basic_properties.ts";
import { ByteReader } from "../../testing/wire/byte_reader.ts";
import { ByteWriter, encodeText } from "../../testing/wire/byte_writer.ts";
import {
  checkTable,
  decodeArray,
  decodeTable,
  encodeArray,
  encodeTable,
} from "../../testing/wire/field_table.ts";
import {
  describeFieldValue,
  type FieldValue,
  fieldValuesEqual,
  fieldValuesMatch,
  longString,
} from "../../testing/wire/field_value.ts";
import { FrameReader, FrameType, writeFrame } from "../../testing/wire/frame.ts";
import { decodeMethod, encodeMethod } from "../../testing/wire/method_codec.ts";
import { type MethodName, METHODS } from "../../testing/wire/methods.ts";

const EVERY_TYPE: readonly FieldValue[] = [
  { type: "bool", value: true },
  { type: "byte", value: -128n },
  { type: "unsignedbyte", value: 255n },
  { type: "short", value: -32768n },
  { type: "unsignedshort", value: 65535n },
  { type: "signedint", value: -2147483648n },
  { type: "unsignedint", value: 4294967295n },
  { type: "long", value: -9223372036854775808n },
  { type: "timestamp", value: 18446744073709551615n },
  { type: "float", value: 0.5 },
  { type: "double", value: Math.PI },
  { type: "decimal", value: { scale: 2, digits: 314 } },
  { type: "longstr", value: encodeText("text") },
  { type: "binary", value: Uint8Array.of(0, 255) },
  { type: "array", value: encodeArray([longString("nested")]) },
  { type: "table", value: encodeTable(new Map([["a", longString("nested")]])) },
  { type: "void", value: undefined },
];

for (const value of EVERY_TYPE) {
  Deno.test(`decodeTable() gives back an encoded ${value.type}`, () => {
    const table = new Map([["key", value]]);
    const bytes = encodeTable(table);
    checkTable(bytes);
    assertEquals(decodeTable(bytes), table);
    assertEquals(decodeArray(encodeArray([value, value])), [value, value]);
  });
}

Deno.test("decodeTable() reads the tag L as RabbitMQ does", () => {
  const bytes = Uint8Array.of(1, 0x61, 0x4c, 0, 0, 0, 0, 0, 0, 0, 7);
  assertEquals(decodeTable(bytes).get("a"), { type: "long", value: 7n });
});

Deno.test("decodeTable() takes the first of equal names", () => {
  const one = encodeTable(new Map([["a", longString("first")]]));
  const two = encodeTable(new Map([["a", longString("second")]]));
  const table = decodeTable(Uint8Array.of(...one, ...two));
  assertEquals(table, new Map([["a", longString("first")]]));
});

Deno.test("checkTable() finds faults at any depth, without recursion", () => {
  let bytes = encodeTable(new Map());
  for (let depth = 1; depth < 8000; depth++) {
    bytes = encodeTable(new Map([["n", { type: "table", value: bytes }]]));
  }
  checkTable(bytes);
  assertThrows(() => checkTable(bytes, 7999), AmqpError, "nested deeper than 7999");
  bytes[bytes.length - 1] = 9;
  assertThrows(() => checkTable(bytes), AmqpError);
});

for (
  const [fault, bytes] of [
    ["an unknown tag", [1, 0x61, 0x7a]],
    ["a name without value", [1, 0x61]],
    ["a string that is too short", [1, 0x61, 0x53, 0, 0, 0, 9, 0]],
  ] as const
) {
  Deno.test(`decodeTable() refuses ${fault}`, () => {
    assertThrows(() => decodeTable(Uint8Array.from(bytes)), AmqpError, "FRAME_ERROR");
  });
}

Deno.test("fieldValuesEqual() compares integers across types", () => {
  const five: FieldValue = { type: "signedint", value: 5n };
  assertEquals(fieldValuesEqual(five, { type: "long", value: 5n }), true);
  assertEquals(fieldValuesEqual(five, { type: "double", value: 5 }), false);
  assertEquals(fieldValuesMatch(five, { type: "double", value: 5 }), true);
  assertEquals(fieldValuesEqual(five, { type: "long", value: 6n }), false);
  assertEquals(fieldValuesEqual(five, longString("5")), false);
});

Deno.test("describeFieldValue() writes values as RabbitMQ does", () => {
  assertEquals(describeFieldValue(undefined), "none");
  const text = describeFieldValue({ type: "signedint", value: 5n });
  assertEquals(text, "the value '5' of type 'signedint'");
});

Deno.test("FrameReader cuts frames from a stream of any split", () => {
  const writer = new ByteWriter();
  const frames = [
    { type: FrameType.method, channel: 1, payload: Uint8Array.of(1, 2, 3) },
    { type: FrameType.heartbeat, channel: 0, payload: new Uint8Array(0) },
    { type: FrameType.body, channel: 65_535, payload: new Uint8Array(500).fill(206) },
  ];
  for (const frame of frames) writeFrame(writer, frame);
  const bytes = writer.take();
  for (const step of [1, 2, 7, 8, 13, bytes.length]) {
    const reader = new FrameReader(4096);
    const read = [];
    for (let start = 0; start < bytes.length; start += step) {
      reader.push(bytes.slice(start, start + step));
      for (let frame = reader.next(); frame; frame = reader.next()) read.push(frame);
    }
    assertEquals(read, frames);
  }
});

for (const name of Object.keys(METHODS).filter(isMethodName)) {
  Deno.test(`decodeMethod() gives back an encoded ${name}`, () => {
    const samples = {
      octet: 200,
      short: 60_000,
      long: 4_000_000_000,
      longlong: 2 ** 50 + 1,
      shortstr: "café",
      longstr: Uint8Array.of(1, 2),
      table: new Map([["k", longString("v")]]),
    };
    let bit = false;
    const values = Object.fromEntries(
      Object.entries(METHODS[name][2]).map(([key, type]) => [
        key,
        type === "bit" ? bit = !bit : samples[type],
      ]),
    );
    const writer = new ByteWriter(1);
    // Made field by field after the layout of `name`.
    encodeMethod(writer, name, values as never);
    assertEquals(decodeMethod(writer.take()), { name, arguments: values } as never);
  });
}

Deno.test("decodeMethod() refuses a method that it does not know", () => {
  const payload = Uint8Array.of(0, 60, 0, 99);
  assertThrows(() => decodeMethod(payload), AmqpError, "unknown method: class 60, method 99");
});

Deno.test("BasicProperties.decode() keeps every byte it was given", () => {
  const properties = BasicProperties.of({
    headers: new Map([["a", longString("b")]]),
    deliveryMode: 2,
    priority: 3,
    correlationId: "id",
    expiration: "60000",
  });
  const decoded = BasicProperties.decode(properties.bytes);
  assertEquals(decoded.bytes, properties.bytes);
  assertEquals(decoded.text("correlationId"), "id");
  assertEquals([decoded.isPersistent, decoded.priority], [true, 3]);
});

Deno.test("BasicProperties.with() changes what is named and no more", () => {
  const before = BasicProperties.of({ correlationId: "id", expiration: "5", replyTo: "me" });
  const after = before.with({ expiration: undefined, replyTo: "you" });
  assertEquals(after.text("correlationId"), "id");
  assertEquals(after.text("expiration"), undefined);
  assertEquals(after.text("replyTo"), "you");
  assertEquals(before.text("replyTo"), "me");
});

Deno.test("BasicProperties.decode() refuses what is cut short", () => {
  const { bytes } = BasicProperties.of({ correlationId: "id" });
  assertThrows(() => BasicProperties.decode(bytes.subarray(0, 3)), AmqpError);
});

Deno.test("ByteWriter keeps what it has while it grows", () => {
  const writer = new ByteWriter(1);
  for (let count = 0; count < 1000; count++) writer.long(count);
  writer.shortString("end");
  writer.longLongNumber(2 ** 53 - 1);
  const reader = new ByteReader(writer.take());
  for (let count = 0; count < 1000; count++) assertEquals(reader.long(), count);
  assertEquals(reader.shortString(), "end");
  assertEquals(reader.longLongNumber(), 2 ** 53 - 1);
});

Deno.test("AmqpError cuts texts that do not fit into a short string", () => {
  const { replyText } = new AmqpError("not-found", "x".repeat(300));
  assertEquals(replyText.length, 255);
  assertEquals(replyText.slice(-4), "x...");
});

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}
