import { Buffer } from "node:buffer";
import { jsonCodec } from "../../../codec.ts";
import { fc } from "../../../deps/fast_check.ts";
import { assertEquals } from "../../../deps/std_assert.ts";
import type { AmqpPublish } from "../../../internal/broker/amqp.ts";
import {
  encodePlainReplies,
  encodePlainRequests,
  isLine,
  isPlainBatch,
  type PlainReply,
  type PlainRequest,
  readPlainReplies,
  readPlainRequests,
} from "../../../internal/protocol/batches/plain_batch.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";

const FIRST: AmqpPublish = {
  routingKey: "queue",
  mandatory: true,
  body: "",
  properties: { replyTo: "replies", correlationId: "a", messageId: "a", headers: { own: true } },
};

const line = fc.jsonValue().map((value) => JSON.stringify(value));
const request = fc.record({
  procedure: fc.constantFrom("add", "users.get", "größe"),
  body: fc.oneof(line, fc.constant("")),
  deadline: fc.integer({ min: 1, max: 2 ** 45 }),
});

function bytesOf({ body }: AmqpPublish): Uint8Array {
  return typeof body === "string" ? Buffer.from(body) : body;
}

function arrive(message: AmqpPublish) {
  return fakeDelivery({ properties: message.properties, body: bytesOf(message) });
}

/** Numbers that rise, with gaps or without. */
function numbered<Each>(each: readonly Each[], step: number): (Each & { index: number })[] {
  return each.map((value, number) => ({ ...value, index: number * step }));
}

Deno.test("readPlainRequests() gives back what encodePlainRequests() took", () => {
  const requests = fc.array(request, { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(requests, fc.integer({ min: 1, max: 2 }), (list, step) => {
    const sent: PlainRequest[] = numbered(list, step);
    const message = encodePlainRequests("batch", FIRST, sent);
    const { messageId, correlationId, replyTo, headers } = message.properties;
    assertEquals([messageId, correlationId, replyTo], [undefined, "batch", "replies"]);
    assertEquals([isPlainBatch(message.properties), headers], [true, { own: true }]);
    assertEquals(readPlainRequests(arrive(message)), { id: "batch", requests: sent });
  }));
});

Deno.test("readPlainReplies() gives back what encodePlainReplies() took", () => {
  const reply = fc.record({ isError: fc.boolean(), body: line });
  const replies = fc.array(reply, { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(replies, fc.integer({ min: 1, max: 2 }), (list, step) => {
    const sent: PlainReply[] = numbered(list, step);
    assertEquals(readPlainReplies(bytesOf(encodePlainReplies("batch", FIRST, sent))), sent);
  }));
});

Deno.test("What the codec for JSON writes is a line", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assertEquals(isLine(jsonCodec.encode({ value, text: "\n\r\u2028", big: 2n ** 70n })), true);
  }));
  assertEquals([isLine("{\n}"), isLine(new Uint8Array()), isLine("")], [false, false, true]);
});

Deno.test("readPlainRequests() reads nothing that has not the right form", () => {
  const head = { procedures: ["add"], deadline: 1 };
  const properties = { correlationId: "batch" };
  const read = (lines: readonly unknown[]) => {
    const body = Buffer.from(lines.map((each) => JSON.stringify(each)).join("\n"));
    return readPlainRequests(fakeDelivery({ properties, body }));
  };
  assertEquals(read([head, 1])?.requests.length, 1);
  const wrong: readonly (readonly unknown[])[] = [
    [head],
    [null, 1],
    [[], 1],
    [{ deadline: 1 }, 1],
    [{ ...head, procedures: [] }, 1],
    [{ ...head, procedures: ["add", "sub"] }, 1],
    [{ ...head, procedures: [7] }, 1],
    [{ ...head, procedures: [""] }, 1],
    [{ ...head, procedures: ["rpc.batch"] }, 1],
    [{ ...head, procedures: ["x".repeat(256)] }, 1],
    [{ procedures: ["add"] }, 1],
    [{ ...head, deadline: "1" }, 1],
    [{ ...head, deadline: 0.5 }, 1],
    [{ ...head, calls: [1] }, 1],
    [{ ...head, calls: [-1] }, 1],
    [{ ...head, calls: [0, 0] }, 1],
    [{ ...head, later: ["1"] }, 1],
    [{ ...head, numbers: [0, 1] }, 1],
    [{ ...head, numbers: [-1] }, 1],
    [{ ...head, numbers: {} }, 1],
    [head, ...Array.from({ length: 1_001 }, () => 1)],
  ];
  for (const lines of wrong) {
    assertEquals(read(lines), undefined, JSON.stringify(lines).slice(0, 80));
  }
  const body = Buffer.from(`${JSON.stringify(head)}\n1`);
  assertEquals(readPlainRequests(fakeDelivery({ body })), undefined);
  const long = { correlationId: "x".repeat(255) };
  assertEquals(readPlainRequests(fakeDelivery({ body, properties: long })), undefined);
});

Deno.test("readPlainRequests() refuses numbers whose ids could not be sent back", () => {
  const head = { procedures: ["add"], deadline: 1, numbers: [Number.MAX_SAFE_INTEGER] };
  const body = Buffer.from(`${JSON.stringify(head)}\n1`);
  const read = (correlationId: string) =>
    readPlainRequests(fakeDelivery({ body, properties: { correlationId } }));
  assertEquals(read("x".repeat(238))?.requests.length, 1);
  assertEquals(read("x".repeat(239)), undefined);
});

Deno.test("readPlainRequests() refuses headers that are too many for a thousand requests", () => {
  const read = ({ count, headers }: { readonly count: number; readonly headers: number }) => {
    const lines = [JSON.stringify({ procedures: ["add"], deadline: 1 }), ...Array(count).fill("1")];
    const table = Array.from({ length: headers }, (_, index) => [`header-${index}`, index]);
    const properties = { correlationId: "batch", headers: Object.fromEntries(table) };
    return readPlainRequests(fakeDelivery({ body: Buffer.from(lines.join("\n")), properties }));
  };
  assertEquals(read({ count: 1_000, headers: 100 })?.requests.length, 1_000);
  assertEquals(read({ count: 1_000, headers: 200 }), undefined);
  assertEquals(read({ count: 10, headers: 4_000 })?.requests.length, 10);
  assertEquals(read({ count: 10, headers: 6_000 }), undefined);
});

Deno.test("readPlainReplies() reads no more errors than lines", () => {
  const read = (errors: readonly unknown[]) =>
    readPlainReplies(Buffer.from(`${JSON.stringify({ errors })}\n1\n2`));
  assertEquals(read([1])?.map(({ isError }) => isError), [false, true]);
  for (const errors of [[0, 1, 1], ["0"], [-1], [null]]) assertEquals(read(errors), undefined);
});

Deno.test("Plain batches of any bytes are read, or not", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.json(), (bytes, json) => {
    for (const body of [bytes, Buffer.from(`${json}\n${json}`)]) {
      readPlainRequests(fakeDelivery({ body, properties: { correlationId: "batch" } }));
      readPlainReplies(body);
    }
  }));
});
