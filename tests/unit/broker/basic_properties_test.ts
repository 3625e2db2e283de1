import { fc } from "../../../deps/fast_check.ts";
import { assertEquals } from "../../../deps/std_assert.ts";
import { readPropertiesWithoutHeaders } from "../../../internal/broker/basic_properties.ts";
import { BasicProperties } from "../../../testing/wire/basic_properties.ts";

/** At most 255 bytes, as a short string has no more. */
const text = fc.option(fc.string({ unit: "grapheme", maxLength: 20 }), { nil: undefined });

const properties = fc.record({
  contentType: text,
  contentEncoding: text,
  deliveryMode: fc.constantFrom(undefined, 1, 2),
  priority: fc.constantFrom(undefined, 0, 9),
  correlationId: text,
  replyTo: text,
  expiration: text,
  messageId: text,
  type: text,
  userId: text,
  appId: text,
}, { noNullPrototype: true });

/** What remains when absent properties are left out. */
function present<Value>(values: Record<string, Value | undefined>): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, Value] => entry[1] !== undefined),
  );
}

Deno.test("readPropertiesWithoutHeaders() reads what surrounds the headers", () => {
  const headers = new Map([["key", { type: "void", value: undefined } as const]]);
  fc.assert(fc.property(properties, fc.boolean(), (values, hasHeaders) => {
    const { bytes } = BasicProperties.of({ ...values, headers: hasHeaders ? headers : undefined });
    assertEquals(readPropertiesWithoutHeaders(bytes), present<string | number>(values));
  }));
});

Deno.test("readPropertiesWithoutHeaders() takes any bytes", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    readPropertiesWithoutHeaders(bytes);
  }));
});

Deno.test("readPropertiesWithoutHeaders() keeps what comes before the end", () => {
  const values = { contentType: "application/json", correlationId: "id", replyTo: "queue" };
  const { bytes } = BasicProperties.of(values);
  assertEquals(readPropertiesWithoutHeaders(bytes.subarray(0, -1)), {
    contentType: "application/json",
    correlationId: "id",
  });
});
