/** Messages that a peer of good will never sends: what each must not do to us is in their tests. @module */

import { ByteWriter, encodeText } from "../../testing/wire/byte_writer.ts";
import { encodeProperties, type RawMessage, type RawProperties } from "./raw_publisher.ts";

/** One message of the corpus. */
export interface Poison extends RawMessage {
  readonly name: string;
}

/** What a message needs to reach its victim: to be answered, or to be taken for an answer. */
export type Bait = Pick<RawProperties, "replyTo" | "correlationId">;

/** A limit that the corpus exceeds by one body; see the option of that name. */
export const POISON_MAX_BODY_BYTES = 200_000;

const BAD_UTF8 = Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80);
/** Cuts a line, turns the terminal red, turns the text around. */
export const CONTROL_TEXT = "a\r\nb\0\x1b[31mc\u202ed";

/** Options of {@linkcode poisonCorpus}. */
export interface CorpusOptions {
  /**
   * Deepest nesting of headers.
   *
   * @default {20_000}
   */
  readonly maxNesting?: number;
}

/** All messages of the corpus; each has the bait unless it is about what the bait would hide. */
export function poisonCorpus(bait: Bait, options: CorpusOptions = {}): Poison[] {
  return [
    ...taggedHeaders(bait),
    ...nestedHeaders(bait, options),
    ...oddHeaders(bait),
    ...oddTexts(bait),
    ...oddBodies(bait),
    ...missingProperties(bait),
  ];
}

const ONE = encodeText("1");

function poison(name: string, properties: RawProperties, body: Uint8Array = ONE): Poison {
  return { name, properties: encodeProperties(properties), body };
}

/** A field of a table whose value is whatever bytes. */
export function rawField(
  name: string | Uint8Array,
  tag: string | number,
  value: Uint8Array,
): Uint8Array {
  const writer = new ByteWriter();
  const bytes = typeof name === "string" ? encodeText(name) : name;
  writer.octet(bytes.length);
  writer.bytes(bytes);
  writer.bytes(rawValue(tag, value));
  return writer.take();
}

function rawValue(tag: string | number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + value.length);
  bytes[0] = typeof tag === "string" ? tag.charCodeAt(0) : tag;
  bytes.set(value, 1);
  return bytes;
}

function long(bytes: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.longString(bytes);
  return writer.take();
}

/** Every tag of a fixed width that RabbitMQ reads, with the bytes of its value. */
export const FIXED_TAGS: readonly (readonly [tag: string, bytes: number])[] = [
  ["t", 1],
  ["b", 1],
  ["B", 1],
  ["s", 2],
  ["u", 2],
  ["I", 4],
  ["i", 4],
  ["l", 8],
  ["L", 8],
  ["f", 4],
  ["d", 8],
  ["D", 5],
  ["T", 8],
  ["V", 0],
];

/** Tags that it does not read. */
const UNREAD_TAGS: readonly (readonly [tag: string | number, bytes: number])[] = [
  ["U", 2],
  ["Z", 0],
  [0, 0],
  [0xff, 4],
];

function taggedHeaders(bait: Bait): Poison[] {
  const fixed = [...FIXED_TAGS, ...UNREAD_TAGS].flatMap(([tag, bytes]) =>
    [0x00, 0x7f, 0xff].map((fill) => {
      const headers = rawField("odd", tag, new Uint8Array(bytes).fill(fill));
      return poison(`tag ${tag} filled with ${fill}`, { ...bait, headers });
    })
  );
  const long32 = ["S", "x", "F", "A"].map((tag) =>
    poison(`tag ${tag}, empty`, { ...bait, headers: rawField("odd", tag, long(new Uint8Array())) })
  );
  const huge = ["S", "F", "A", "x"].map((tag) =>
    poison(`tag ${tag} that claims 4 GiB`, {
      ...bait,
      headers: rawField("odd", tag, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2)),
    })
  );
  const inArray = poison("tag L within an array", {
    ...bait,
    headers: rawField("odd", "A", long(rawValue("L", new Uint8Array(8).fill(1)))),
  });
  return [...fixed, ...long32, ...huge, inArray];
}

/** A table in a table in a table, or arrays likewise. */
export function nested(tag: "F" | "A", depth: number): Uint8Array {
  // A field of a table has a name before its tag: here an empty one.
  const head = tag === "F" ? [0, "F".charCodeAt(0)] : ["A".charCodeAt(0)];
  const levelBytes = head.length + 4;
  const bytes = new Uint8Array(levelBytes * depth);
  const view = new DataView(bytes.buffer);
  for (let start = 0; start < bytes.length; start += levelBytes) {
    bytes.set(head, start);
    // Each level tells the length of all that is within it.
    view.setUint32(start + head.length, bytes.length - start - levelBytes);
  }
  return bytes;
}

function nestedHeaders(bait: Bait, { maxNesting = 20_000 }: CorpusOptions): Poison[] {
  return [100, 5_000, 20_000].filter((depth) => depth <= maxNesting).flatMap((depth) => [
    poison(`tables ${depth} deep`, { ...bait, headers: nested("F", depth) }),
    poison(`arrays ${depth} deep`, {
      ...bait,
      headers: rawField("odd", "A", long(nested("A", depth))),
    }),
  ]);
}

const OWN_HEADERS = [
  "rpc-deadline",
  "rpc-reply-to",
  "rpc-attempt",
  "rpc-idempotent",
  "rpc-callback",
  "rpc-credits",
  "rpc-progress",
  "rpc-seq",
  "rpc-credit-to",
  "x-delivery-count",
  "traceparent",
];

function oddHeaders(bait: Bait): Poison[] {
  const text = (name: string) => rawField(name, "S", long(encodeText("polluted")));
  const table = (name: string, content: Uint8Array) => rawField(name, "F", long(content));
  const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "then", ""];
  return [
    ...names.map((name) => poison(`header "${name}"`, { ...bait, headers: text(name) })),
    poison("header __proto__ with a table", {
      ...bait,
      headers: table("__proto__", text("polluted")),
    }),
    poison("header constructor.prototype", {
      ...bait,
      headers: table("constructor", table("prototype", text("polluted"))),
    }),
    poison("the same header twice", {
      ...bait,
      headers: Uint8Array.of(...text("rpc-seq"), ...text("rpc-seq")),
    }),
    ...[60_000, 100_000, 130_000].map((length) =>
      poison(`rpc-callback of ${length} bytes`, {
        ...bait,
        headers: rawField("rpc-callback", "S", long(new Uint8Array(length).fill(0x61))),
      })
    ),
    poison("a header with a bad name", { ...bait, headers: rawField(BAD_UTF8, "t", ONE) }),
    ...OWN_HEADERS.flatMap((name) => [
      poison(`${name} as a table`, { ...bait, headers: table(name, text("a")) }),
      poison(`${name} as NaN`, {
        ...bait,
        headers: rawField(name, "d", Uint8Array.of(0x7f, 0xf8, 0, 0, 0, 0, 0, 0)),
      }),
      poison(`${name} as a huge integer`, {
        ...bait,
        headers: rawField(name, "l", new Uint8Array(8).fill(0x7f)),
      }),
      poison(`${name} as bad text`, { ...bait, headers: rawField(name, "S", long(BAD_UTF8)) }),
    ]),
  ];
}

/** Each of these bytes becomes a character of three bytes, so that the text grows out of its type. */
const LONG_BAD_UTF8 = new Uint8Array(255).fill(0xff);

function oddTexts(bait: Bait): Poison[] {
  const names = ["contentType", "contentEncoding", "messageId", "type", "appId"] as const;
  return [
    ...names.flatMap((name) => [
      poison(`${name} in bad UTF-8`, { ...bait, [name]: BAD_UTF8 }),
      poison(`${name} with control characters`, { ...bait, [name]: CONTROL_TEXT }),
      poison(`${name} of 255 bad bytes`, { ...bait, [name]: LONG_BAD_UTF8 }),
      poison(`${name} that is empty`, { ...bait, [name]: "" }),
    ]),
    poison("a wrong content type", { ...bait, contentType: "application/x-unheard-of" }),
    poison("a compressed body", { ...bait, contentEncoding: "gzip" }),
    poison("an odd priority", { ...bait, priority: 255, deliveryMode: 255 }),
    poison("a timestamp beyond time", { ...bait, timestamp: -1n }),
    poison("an expiration that is no number", { ...bait, expiration: "soon" }),
    poison("another user's id", { ...bait, userId: "root" }),
    poison("a cluster id", { ...bait, clusterId: "c" }),
    { name: "flags that go on", properties: Uint8Array.of(0, 1, 0, 0), body: ONE },
    { name: "flags without properties", properties: Uint8Array.of(0xff, 0xfc), body: ONE },
  ];
}

function oddBodies(bait: Bait): Poison[] {
  const bodies: readonly (readonly [name: string, body: string | Uint8Array])[] = [
    ["no bytes", ""],
    ["bad UTF-8", BAD_UTF8],
    ["bad JSON", "{"],
    ["two values", "1 2"],
    ["a byte order mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)],
    ["zeros", new Uint8Array(100)],
    ["JSON 50,000 deep", "[".repeat(50_000) + "]".repeat(50_000)],
    [
      "JSON 10,000 deep with a long integer",
      '{"a":'.repeat(10_000) + "1".repeat(20) + "}".repeat(10_000),
    ],
    ["a number too large", "1e400"],
    ["an integer of 100,000 digits", "9".repeat(100_000)],
    ["__proto__", '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'],
    ["more than the limit", `"${"x".repeat(POISON_MAX_BODY_BYTES)}"`],
  ];
  return bodies.map(([name, body]) =>
    poison(`a body of ${name}`, bait, typeof body === "string" ? encodeText(body) : body)
  );
}

function missingProperties({ replyTo, correlationId }: Bait): Poison[] {
  return [
    poison("no properties", {}),
    poison("no correlation id", definedOnly({ replyTo })),
    poison("an empty correlation id", definedOnly({ replyTo, correlationId: "" })),
    poison("a correlation id in bad UTF-8", definedOnly({ replyTo, correlationId: BAD_UTF8 })),
    poison("a long one in bad UTF-8", definedOnly({ replyTo, correlationId: LONG_BAD_UTF8 })),
    poison("no reply queue", definedOnly({ correlationId })),
    poison("a reply queue that is gone", definedOnly({ replyTo: "amq.gen-gone", correlationId })),
    poison("a reply queue in bad UTF-8", definedOnly({ replyTo: BAD_UTF8, correlationId })),
    poison("a long one in bad UTF-8", definedOnly({ replyTo: LONG_BAD_UTF8, correlationId })),
    poison("the pseudo-queue of nobody", {
      ...definedOnly({ correlationId }),
      replyTo: "amq.rabbitmq.reply-to.g1h2AA5yZXBseQ==.x",
    }),
  ];
}

function definedOnly(bait: { readonly [Name in keyof Bait]: Bait[Name] | undefined }): Bait {
  const entries = Object.entries(bait).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries);
}
