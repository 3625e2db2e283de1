import { Buffer } from "node:buffer";
import { fc } from "../../../deps/fast_check.ts";
import { assertEquals } from "../../../deps/std_assert.ts";
import type { AmqpPublish } from "../../../internal/broker/amqp.ts";
import {
  encodeMessageBatch,
  isBatch,
  splitBatch,
} from "../../../internal/protocol/message_batch.ts";
import { type FakeDelivery, fakeDelivery } from "../../helpers/fake_delivery.ts";

const text = fc.string({ unit: "grapheme", maxLength: 20 });
const message = fc.record({
  body: text,
  type: text.filter((name) => name !== "rpc.batch"),
  contentType: fc.constantFrom("application/json", "text/plain"),
  correlationId: fc.uuid(),
  key: fc.option(text, { nil: undefined }),
  headers: fc.dictionary(
    fc.constantFrom("rpc-deadline", "rpc-attempt", "tenant"),
    fc.oneof(text, fc.boolean(), fc.integer(), fc.constant(undefined)),
    { noNullPrototype: true },
  ),
}).map(({ body, key, ...properties }): AmqpPublish => ({
  routingKey: "queue",
  mandatory: true,
  body,
  properties: { ...properties, messageId: key ?? properties.correlationId, replyTo: "replies" },
}));

function arrive({ body, properties }: AmqpPublish, more: FakeDelivery = {}) {
  return fakeDelivery({ properties, body: Buffer.from(body), ...more });
}

function withoutUndefined(headers: object = {}): object {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

function bodyOf(head: unknown, rest = ""): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes, Buffer.from(rest)]);
}

Deno.test("splitBatch() gives back what encodeMessageBatch() took", () => {
  fc.assert(fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
    const batch = encodeMessageBatch("batch", messages);
    assertEquals(isBatch(batch.properties), true);
    const found = splitBatch(arrive(batch)).map(({ properties, body }) => ({
      body: new TextDecoder().decode(body),
      type: properties.type,
      contentType: properties.contentType,
      correlationId: properties.correlationId,
      messageId: properties.messageId ?? properties.correlationId,
      replyTo: properties.replyTo,
      headers: withoutUndefined(properties.headers),
    }));
    const sent = messages.map(({ body, properties }) => ({
      body,
      ...properties,
      headers: withoutUndefined(properties.headers),
    }));
    assertEquals(found, sent as unknown as typeof found);
  }));
});

Deno.test("splitBatch() takes nothing apart that has not the right form", () => {
  const common = {};
  const wrong: readonly Uint8Array[] = [
    new Uint8Array(),
    new Uint8Array([0, 0, 0]),
    new Uint8Array([255, 255, 255, 255, 1]),
    bodyOf(null),
    bodyOf([]),
    bodyOf({ parts: [["id", 0]] }),
    bodyOf({ common, parts: [] }),
    bodyOf({ common, parts: {} }),
    bodyOf({ common, parts: [["id", 1]] }),
    bodyOf({ common, parts: [["id", 0]] }, "more"),
    bodyOf({ common, parts: [["id", -1], ["id", 1]] }),
    bodyOf({ common, parts: [["id", 0.5]] }),
    bodyOf({ common, parts: [[7, 0]] }),
    bodyOf({ common, parts: [["id", 0, "own"]] }),
    bodyOf({ common, parts: Array.from({ length: 1_001 }, () => ["id", 0]) }),
    // They could be taken apart without end.
    bodyOf({ common: { type: "rpc.batch" }, parts: [["id", 0]] }),
    bodyOf({ common, parts: [["id", 0, { type: "rpc.batch" }]] }),
    // They are to be sent alone if the batch comes again.
    bodyOf({ common, parts: [["x".repeat(256), 0]] }),
    bodyOf({ common: { contentType: "x".repeat(256) }, parts: [["id", 0]] }),
    bodyOf({ common, parts: [["id", 0, { type: "é".repeat(128) }]] }),
    bodyOf({ common, parts: [["id", 0, { messageId: "x".repeat(256) }]] }),
    bodyOf({ common, parts: [["id", 0, { headers: { a: "x".repeat(131_072) } }]] }),
  ];
  for (const body of wrong) {
    assertEquals(splitBatch(fakeDelivery({ body })), [], Buffer.from(body).toString().slice(0, 80));
  }
  assertEquals(
    splitBatch(fakeDelivery({ body: bodyOf({ common, parts: [["id", 0]] }) })).length,
    1,
  );
});

Deno.test("splitBatch() makes no heap of headers of a few bytes", () => {
  const names = Array.from({ length: 5_000 }, (_, index) => [index.toString(36), 1]);
  const common = { headers: Object.fromEntries(names) };
  const parts = Array.from({ length: 1_000 }, () => ["id", 0, { headers: { own: true } }]);
  assertEquals(splitBatch(fakeDelivery({ body: bodyOf({ common, parts }) })).length, 0);
  const few = bodyOf({ common, parts: parts.slice(0, 10) });
  assertEquals(splitBatch(fakeDelivery({ body: few })).length, 10);
});

Deno.test("splitBatch() gives each part the time that it has", () => {
  const messageOf = (deadline: number): AmqpPublish => ({
    routingKey: "queue",
    mandatory: true,
    body: "",
    properties: { correlationId: "id", expiration: "1000", headers: { "rpc-deadline": deadline } },
  });
  const expirations = (...deadlines: number[]) => {
    const { properties, body } = encodeMessageBatch("batch", deadlines.map(messageOf));
    const parts = splitBatch(fakeDelivery({ properties, body: body as Uint8Array }));
    return parts.map((part) => part.properties.expiration);
  };
  assertEquals(expirations(5_000, 5_100, 5_000, 6_000), ["1000", "1100", "1000", "2000"]);
  // The broker would close the channel over a longer one.
  assertEquals(expirations(1, Number.MAX_SAFE_INTEGER), ["1000", "2147483647"]);
});

Deno.test("splitBatch() leaves out headers that no request can have", () => {
  const headers = { CC: "a", BCC: "b", ["x".repeat(256)]: 1, list: [1], tenant: "t" };
  for (
    const head of [{ common: { headers }, parts: [["id", 0]] }, {
      common: {},
      parts: [["id", 0, { headers }]],
    }]
  ) {
    const [part] = splitBatch(fakeDelivery({ body: bodyOf(head) }));
    assertEquals(part?.properties.headers, { tenant: "t" });
  }
});

Deno.test("splitBatch() takes any bytes", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.json(), (bytes, json) => {
    splitBatch(fakeDelivery({ body: bytes }));
    splitBatch(fakeDelivery({ body: bodyOf(JSON.parse(json), "rest") }));
  }));
});

Deno.test("A batch is settled once, when all its parts are", () => {
  const head = { common: {}, parts: [["a", 1], ["b", 1], ["c", 1]] };
  const batchOf = () => {
    const settled: string[] = [];
    const failed: string[] = [];
    const delivery = fakeDelivery({
      body: bodyOf(head, "abc"),
      onSettled: (way) => settled.push(way),
    });
    const parts = splitBatch(delivery, (parts) => {
      failed.push(...parts.map(({ properties }) => properties.correlationId ?? ""));
    });
    return { parts, settled, failed };
  };
  const good = batchOf();
  for (const part of good.parts) {
    assertEquals(good.settled, []);
    part.ack();
  }
  assertEquals([good.settled, good.failed], [["ack"], []]);
  const bad = batchOf();
  bad.parts[1]?.requeue();
  bad.parts[0]?.ack();
  assertEquals(bad.failed, []);
  bad.parts[2]?.giveBack();
  assertEquals([bad.settled, bad.failed], [[], ["b", "c"]]);
});
