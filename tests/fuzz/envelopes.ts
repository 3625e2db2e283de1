/** Messages as nobody should send them. @module */

import { createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import { jsonCodec } from "../../codec.ts";
import { fc } from "../../deps/fast_check.ts";
import type { AmqpProperties } from "../../internal/broker/amqp.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { jsonValues } from "../helpers/arbitraries.ts";

/** A message, as a peer may send it. */
export interface Envelope {
  readonly properties: AmqpProperties;
  readonly body: Uint8Array;
}

/** How often, and from which seed, to be set from outside to search further, or to search again. */
export const RUNS: number = Number(Deno.env.get("FUZZ_RUNS") ?? 50_000);
export const SEED: number = Number(
  Deno.env.get("FUZZ_SEED") ?? Math.floor(Math.random() * 2 ** 31),
);

/** The ids of calls that wait, for messages that pretend to be their replies. */
export const KNOWN_IDS: readonly string[] = ["one", "two", "three"];

/** Procedures that a server under fuzz has. */
export const PROCEDURES: readonly string[] = ["echo", "fail", "throwInput", "area", "odd"];

/** What AMQP's short strings hold: at most 255 bytes. */
const shortTexts = fc.string({ unit: "grapheme", maxLength: 20 });

/** Names in a table: by "!", amqplib would take the table for a value of a type of its own. */
const names = shortTexts.filter((text) => text !== "!");

/** A value of an AMQP table, as amqplib takes and gives it. */
const fieldValues: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.string({ unit: "grapheme", maxLength: 50 }),
    fc.boolean(),
    fc.constant(null),
    // amqplib writes whole numbers as integers, and none beyond 64 bits.
    fc.double({ noNaN: true, min: -1e15, max: 1e15 }),
    fc.integer(),
    fc.constantFrom(0, -1, 2 ** 31, 2 ** 53, -(2 ** 53)),
    fc.constantFrom(
      { "!": "double", value: 1e300 },
      { "!": "float", value: 0.5 },
      { "!": "timestamp", value: 2 ** 40 },
      { "!": "decimal", value: { places: 2, digits: 5 } },
      { "!": "byte", value: -1 },
    ),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(names, tie("value"), { maxKeys: 4 }),
  ),
})).value;

/** Something that may stand where the library looks for something of its own. */
function insteadOf(...right: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof(fc.constantFrom(...right), fieldValues);
}

const deaths = fc.oneof(
  fieldValues,
  fc.array(
    fc.record({
      reason: insteadOf("expired", "rejected", "maxlen", "delivery_limit"),
      count: insteadOf(1),
      queue: insteadOf("q"),
    }, { requiredKeys: [] }),
    { maxLength: 3 },
  ),
);

/** Signs the tickets of these envelopes, as docs/protocol.md says. */
export const CALLBACK_KEY = "the key of the fuzz";

function signed(ticket: string): string {
  const lines = `rpc-callback\n\n${ticket}`;
  return `${createHmac("sha256", CALLBACK_KEY).update(lines).digest("base64url")}.${ticket}`;
}

const tickets = fc.oneof(
  fc.record({
    id: fc.constantFrom(...KNOWN_IDS),
    expiresAt: insteadOf(2 ** 50),
    name: insteadOf("save"),
    procedure: insteadOf("echo"),
    queue: insteadOf("q"),
    immediate: insteadOf(true),
    startedAt: insteadOf(0),
    context: fieldValues,
  }, { requiredKeys: ["id"] }).map((ticket) => signed(JSON.stringify(ticket))),
  fieldValues,
);

const headers = fc.record({
  "rpc-deadline": fc.oneof(
    fieldValues,
    fc.integer({ min: -20_000, max: 20_000 }).map((skewMs) => Date.now() + skewMs),
  ),
  "rpc-reply-to": fieldValues,
  "rpc-attempt": fieldValues,
  "rpc-idempotency-key": fc.oneof(fc.constantFrom("key", ""), shortTexts, fieldValues),
  "rpc-caller": fc.oneof(fc.constantFrom("me", ""), fieldValues),
  "rpc-callback": tickets,
  "rpc-seq": fieldValues,
  "x-death": deaths,
  "x-delivery-count": fieldValues,
  traceparent: fieldValues,
  constructor: fieldValues,
}, { requiredKeys: [] });

const contentTypes = fc.oneof(
  fc.constantFrom(
    jsonCodec.contentType,
    msgpackCodec.contentType,
    "",
    "text/plain; charset=latin1",
    "Application/JSON",
    "application/octet-stream",
  ),
  shortTexts,
);

const properties = fc.record({
  contentType: contentTypes,
  correlationId: fc.oneof(fc.constantFrom(...KNOWN_IDS), shortTexts),
  messageId: fc.oneof(fc.constantFrom("", "key"), shortTexts),
  replyTo: fc.oneof(fc.constantFrom("", "amq.rabbitmq.reply-to.odd", "amq.gen-gone"), shortTexts),
  expiration: fc.oneof(fc.constantFrom("60000", "4294967295"), fc.nat(20_000).map(String)),
  type: fc.oneof(
    fc.constantFrom(...PROCEDURES),
    fc.constantFrom("output", "error", "item", "progress", "taken", "end", "cancel"),
    shortTexts,
  ),
  headers,
}, { requiredKeys: [] });

const descriptions = fc.record({
  name: fc.anything(),
  message: fc.anything(),
  code: fc.anything(),
  details: fc.anything(),
  retryable: fc.anything(),
  cause: fc.anything(),
  errors: fc.array(fc.anything(), { maxLength: 40 }),
}, { requiredKeys: [] });

const bodies: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  jsonValues.map((value) => toBytes(jsonCodec.encode(value))),
  jsonValues.map((value) => toBytes(toMsgpack(value))),
  descriptions.map((value) => toBytes(stringify(value))),
  fc.record({ width: fc.anything() }).map((value) => toBytes(stringify(value))),
  fc.constantFrom("[", '{"a":', "-", "1e999", '"\\ud800"', "nul", "[".repeat(5_000)).map(toBytes),
  fc.constantFrom(0xdd, 0xdf, 0xc9, 0xc6).chain((head) =>
    fc.uint8Array({ minLength: 4, maxLength: 20 }).map((rest) => Uint8Array.of(head, ...rest))
  ),
);

/** Messages of all kinds, most of them nearly right. */
export const envelopes: fc.Arbitrary<Envelope> = fc.record({
  // amqplib's decoder yields strings and tables.
  properties: properties as fc.Arbitrary<AmqpProperties>,
  body: bodies,
});

function toMsgpack(value: unknown): string | Uint8Array {
  try {
    return msgpackCodec.encode(value);
  } catch {
    // A key that it refuses.
    return Uint8Array.of(0xc0);
  }
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    // A bigint, or a cycle.
    return String(typeof value);
  }
}

function toBytes(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? new TextEncoder().encode(body) : body;
}
