import { fc } from "../../../../deps/fast_check.ts";
import { decode as foreignDecode, encode as foreignEncode } from "../../../../deps/msgpack.ts";
import {
  assert,
  assertEquals,
  assertLess,
  assertNotEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../../../../deps/std_assert.ts";
import { RpcError } from "../../../../errors.ts";
import { codecFor } from "../../../../codec.ts";
import { msgpackCodec } from "../../../../extras/msgpack/codec.ts";

function encode(value: unknown): Uint8Array {
  const body = msgpackCodec.encode(value);
  assert(typeof body !== "string");
  return body;
}

function roundTrip(value: unknown): unknown {
  return msgpackCodec.decode(encode(value));
}

function assertUnencodable(value: unknown, ...parts: readonly string[]): void {
  const error = assertThrows(() => encode(value), RpcError);
  assertStrictEquals(error.code, "unencodable");
  for (const part of parts) assertStringIncludes(error.message, part);
}

function assertUndecodable(...bytes: readonly number[]): void {
  const error = assertThrows(() => msgpackCodec.decode(Uint8Array.from(bytes)), RpcError);
  assertStrictEquals(error.code, "undecodable");
}

Deno.test("codecFor() finds msgpackCodec by its aliases, too", () => {
  assertStrictEquals(codecFor("application/x-msgpack", [msgpackCodec]), msgpackCodec);
});

const samples: Readonly<Record<string, unknown>> = {
  "nothing": [undefined, null, { a: null }, []],
  "numbers": [0, 1, -1, 127, 128, -32, -33, 255, 65_536, 2 ** 32, -(2 ** 31), 0.1, 1e300],
  "the bounds of safe integers": [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  "numbers beyond safe integers": [2 ** 53, -(2 ** 60), 2 ** 64, 1e21],
  "NaN, infinities and -0": [NaN, Infinity, -Infinity, -0, { zero: -0 }],
  "small bigints as bigints": [0n, 1n, -1n, 127n, 128n, -128n, -129n, 255n, 256n, 2n ** 53n],
  "bigints of any size": [2n ** 63n, 2n ** 64n, -(2n ** 64n), 3n ** 1_000n, -(7n ** 999n)],
  "text": ["", "é", "🐇", "x".repeat(70_000), "\uFEFFx", "\uFEFF" + "y".repeat(300)],
  "bytes": [new Uint8Array(), new Uint8Array([1, 2, 3]), new Uint8Array(70_000).fill(7)],
  "dates": [new Date(0), new Date(1), new Date(-1), new Date(8.64e15), new Date(-8.64e15)],
  "maps": new Map<unknown, unknown>([["a", 1], [1, "b"], [{ c: 1 }, new Map([[[1], 2n]])]]),
  "sets": new Set<unknown>([1, "1", 1n, undefined, new Set([new Date(5)])]),
  "objects of 16 and 65,536 keys": [16, 65_536].map((size) =>
    Object.fromEntries(Array.from({ length: size }, (_, index) => [`key${index}`, index]))
  ),
};

for (const [name, sample] of Object.entries(samples)) {
  Deno.test(`msgpackCodec carries ${name}`, () => {
    assertEquals(roundTrip(sample), sample);
  });
}

Deno.test("msgpackCodec tells 0 from -0, and numbers from bigints", () => {
  assert(Object.is(roundTrip(-0), -0));
  assert(Object.is(roundTrip(0), 0));
  assertStrictEquals(roundTrip(5), 5);
  assertStrictEquals(roundTrip(5n), 5n);
});

Deno.test("msgpackCodec writes undefined as an empty body", () => {
  assertStrictEquals(encode(undefined).length, 0);
  assertStrictEquals(msgpackCodec.decode(""), undefined);
});

Deno.test("msgpackCodec leaves out undefined properties as JSON does", () => {
  assertEquals(Object.keys(Object(roundTrip({ a: undefined, b: 1 }))), ["b"]);
});

Deno.test("msgpackCodec does not alter the values that it encodes", () => {
  const value = { big: 1n, list: [undefined, -0], at: new Date(0) };
  const copy = structuredClone(value);
  encode(value);
  assertEquals(value, copy);
});

Deno.test("msgpackCodec gives bytes that share nothing with the body", () => {
  const body = encode({ a: new Uint8Array([1, 2]), b: new Map([["c", new Uint8Array([3])]]) });
  const decoded = msgpackCodec.decode(body);
  body.fill(0);
  assertEquals(decoded, { a: new Uint8Array([1, 2]), b: new Map([["c", new Uint8Array([3])]]) });
  const { a } = Object(decoded);
  assertStrictEquals(a.buffer.byteLength, 2);
});

Deno.test("msgpackCodec carries a view as its own bytes", () => {
  const part = new Uint8Array([0, 1, 2, 3]).subarray(1, 3);
  assertEquals(roundTrip([part]), [new Uint8Array([1, 2])]);
});

Deno.test("msgpackCodec decodes a body in the middle of a larger buffer", () => {
  const body = encode(["a", new Date(7)]);
  const chunk = new Uint8Array(body.length + 20);
  chunk.set(body, 10);
  assertEquals(msgpackCodec.decode(chunk.subarray(10, 10 + body.length)), ["a", new Date(7)]);
});

Deno.test("msgpackCodec reads 64-bit integers of others exactly", () => {
  const integers = [1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n, -(2n ** 63n)];
  assertEquals(
    msgpackCodec.decode(foreignEncode(integers, { useBigInt64: true })),
    [1, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n, -(2n ** 63n)],
  );
});

Deno.test("msgpackCodec reads all three kinds of timestamps", () => {
  const decode = (type: number, ...bytes: number[]) =>
    msgpackCodec.decode(Uint8Array.from([type, ...bytes]));
  assertEquals(decode(0xd6, 0xff, 0, 0, 0, 1), new Date(1_000));
  assertEquals(decode(0xd7, 0xff, 0, 0x3d, 0x09, 0, 0, 0, 0, 2), new Date(2_001));
  const before1970 = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  assertEquals(decode(0xc7, 12, 0xff, ...before1970), new Date(-1_000));
});

Deno.test("msgpackCodec reads keys that are integers as JSON would write them", () => {
  assertEquals(msgpackCodec.decode(Uint8Array.from([0x81, 1, 0xa1, 0x61])), { 1: "a" });
});

class Point {
  x = 1;
}

Deno.test("msgpackCodec refuses what it cannot carry and says where", () => {
  assertUnencodable({ a: [1, () => 1] }, '"$.a[1]" as MessagePack: it is of type function');
  assertUnencodable([Symbol("s")], '"$[0]"', "is of type symbol");
  assertUnencodable({ p: new Point() }, '"$.p"', "not plain data but an instance of Point");
  assertUnencodable({ d: new Date(NaN) }, '"$.d"', "is an invalid date");
  assertUnencodable(new Float64Array(1), '"$"', "an instance of Float64Array");
  assertUnencodable([new Error("e")], '"$[0]"', "an instance of Error");
  assertUnencodable(new Map([["k", [() => 1]]]), '"$.k[0]"');
  assertUnencodable(new Set([1, new WeakMap()]), '"$[1]"', "an instance of WeakMap");
  assertUnencodable(["\ud800"], '"$[0]"', "half of a surrogate pair");
  assertUnencodable({ a: { ["__proto__"]: 1 } }, '"$.a"', '"__proto__"');
});

Deno.test("msgpackCodec refuses cycles and excessive depth", () => {
  const cyclic: unknown[] = [];
  cyclic.push(new Map([["self", { cyclic }]]));
  assertUnencodable(cyclic, "is cyclic or nested deeper than 1000 levels");
  assertEquals(roundTrip(nested(1_000)), nested(1_000));
  assertUnencodable(nested(1_001));
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { value };
  return value;
}

Deno.test("msgpackCodec refuses bodies that are not one value", () => {
  assertUndecodable(0x92, 1);
  assertUndecodable(1, 2);
  assertUndecodable(0xc1);
  assertUndecodable(0xcd, 1);
  const error = assertThrows(() => msgpackCodec.decode("text"), RpcError);
  assertStrictEquals(error.message, "Cannot decode a body as MessagePack as it is text");
});

Deno.test("msgpackCodec reads keys that begin with a byte order mark", () => {
  assertEquals(Object.keys(Object(roundTrip({ "\uFEFFa": 1 }))), ["\uFEFFa"]);
});

Deno.test("msgpackCodec takes no bytes for a key that it has read before", () => {
  for (let first = 0xe0; first < 0x100; first += 2) {
    for (let second = 0x80; second < 0x100; second++) {
      // UTF-8 needs four bytes for these two characters, whose codes the two bytes are.
      const known = String.fromCharCode(first, second);
      assertEquals(roundTrip({ [known]: 1 }), { [known]: 1 });
      assertUndecodable(0x81, 0xa2, first, second, 1);
    }
  }
});

Deno.test("msgpackCodec writes what a getter changes meanwhile as it was", () => {
  const shrinking: unknown[] = [1, 2, 3];
  Object.defineProperty(shrinking, 0, { get: () => shrinking.length = 1 });
  assertEquals(roundTrip(shrinking), [1, undefined, undefined]);
  const nesting = {
    a: 1,
    get b() {
      return encode({ other: "body" }).length;
    },
    c: "x",
  };
  assertEquals(roundTrip(nesting), { a: 1, b: 12, c: "x" });
});

Deno.test("msgpackCodec writes dates and bigints in the shortest form", () => {
  const sizes = (values: readonly unknown[]) => values.map((value) => encode(value).length);
  assertEquals(
    sizes([1_000, 2 ** 34 * 1_000 - 1, 1, -1, 2 ** 34 * 1_000].map((ms) => new Date(ms))),
    [
      6,
      10,
      10,
      15,
      15,
    ],
  );
  assertEquals(sizes([1n, 2n ** 8n, 2n ** 16n, 2n ** 30n, 2n ** 60n, 2n ** 120n, 2n ** 2_100n]), [
    3,
    4,
    6,
    6,
    10,
    18,
    267,
  ]);
});

Deno.test("msgpackCodec takes for text what is UTF-8, and nothing else", () => {
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const pieces = fc.array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      fc.string({ unit: "binary", maxLength: 3 }).map((text) => new TextEncoder().encode(text)),
      fc.constantFrom("\uFFFD", "\uFEFF", "🐇").map((text) => new TextEncoder().encode(text)),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      const bytes = parts.flatMap((part) => [...part]);
      let text: string | undefined;
      try {
        text = utf8.decode(Uint8Array.from(bytes));
      } catch {
        return assertUndecodable(0xd9, bytes.length, ...bytes);
      }
      assertEquals(msgpackCodec.decode(Uint8Array.from([0xd9, bytes.length, ...bytes])), text);
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("msgpackCodec refuses text that is not UTF-8", () => {
  assertUndecodable(0xa1, 0xff);
  assertUndecodable(0xa3, 0xed, 0xa0, 0x80);
  assertUndecodable(0x81, 0xa1, 0xc3, 1);
  assertUndecodable(0x92, 0xa1, 0xe2, 0xa2, 0x82, 0xac);
});

Deno.test("msgpackCodec refuses extensions that it does not know", () => {
  assertUndecodable(0xd4, 0x72, 0x40);
  assertUndecodable(0xd4, 1, 0);
  assertUndecodable(0xc7, 0, 0x42);
  assertUndecodable(0xc7, 3, 0xff, 0, 0, 0);
  assertUndecodable(0xc7, 1, 0x4d, 0xc0);
  assertUndecodable(0xc7, 2, 0x4d, 0x91, 1);
  assertUndecodable(0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0);
});

Deno.test("msgpackCodec does not let a body reach prototypes", () => {
  const key = [0xa9, ...new TextEncoder().encode("__proto__")];
  assertUndecodable(0x81, ...key, 0x81, 0xa1, 0x61, 1);
  const decoded = msgpackCodec.decode(encode({ constructor: { prototype: { polluted: 1 } } }));
  assertStrictEquals(Object.getPrototypeOf(decoded), Object.prototype);
  assertStrictEquals("polluted" in {}, false);
});

Deno.test("msgpackCodec asks for no memory that a body only claims", () => {
  const before = Deno.memoryUsage().rss;
  // 200,000 arrays in each other, each of which claims 16 million items.
  const bomb = new Uint8Array(1_000_000);
  for (let index = 0; index < bomb.length; index += 5) bomb.set([0xdd, 1, 0, 0, 0], index);
  assertThrows(() => msgpackCodec.decode(bomb), RpcError);
  for (const head of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf]) assertUndecodable(head, 255, 255, 255, 255, 1);
  const small = () => msgpackCodec.decode(Uint8Array.from([0xdd, 0, 1, 0, 0, 1]));
  assertThrows(small, RpcError, "there are 1 bytes where 65536 items should be");
  assertLess(Deno.memoryUsage().rss - before, 100 * 2 ** 20);
});

Deno.test("msgpackCodec refuses depth bombs of arrays, objects and maps", () => {
  assertUndecodable(...new Array<number>(100_000).fill(0x91), 1);
  const object = [0x81, 0xa1, 0x61];
  assertUndecodable(...Array.from({ length: 2_000 }, () => object).flat(), 1);
});

const key = fc.string({ unit: "grapheme" }).filter((text) => text !== "__proto__");

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, Infinity),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).map((value) => value + 0),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie("value"), { maxLength: 40 }),
    fc.dictionary(key, tie("value"), { maxKeys: 40 }),
  ),
})).value;

Deno.test("msgpackCodec writes plain data as the format's own library does", () => {
  fc.assert(
    fc.property(plain, (value) => {
      const body = encode(value);
      assertEquals(body, foreignEncode(value));
      assertEquals(structure(foreignDecode(body)), structure(msgpackCodec.decode(body)));
    }),
    { numRuns: 2_000 },
  );
});

const carried = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(undefined, null, true, false, NaN, -0, Infinity),
    fc.integer(),
    fc.double(),
    fc.bigInt(),
    fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }),
    fc.string({ unit: "binary" }),
    fc.uint8Array(),
    fc.date({ noInvalidDate: true }),
    fc.array(tie("value")),
    fc.dictionary(key, tie("value").filter((value) => value !== undefined)),
    fc.array(fc.tuple(tie("value"), tie("value"))).map((entries) => new Map(entries)),
    fc.array(tie("value")).map((items) => new Set(items)),
  ),
})).value;

Deno.test("msgpackCodec brings back whatever it takes", () => {
  fc.assert(
    fc.property(carried, (value) => assertEquals(structure(roundTrip(value)), structure(value))),
    { numRuns: 3_000 },
  );
});

/** A text that tells apart all that the codec must: assertEquals is slow for keys of maps. */
function structure(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : `${value}`;
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (value instanceof Uint8Array) return `bytes ${value}`;
  if (Array.isArray(value)) return `[${value.map(structure)}]`;
  if (value instanceof Set) return `set ${structure([...value])}`;
  if (value instanceof Map) return `map ${structure([...value])}`;
  return `{${Object.entries(value).map(([key, item]) => `${structure(key)}:${structure(item)}`)}}`;
}

Deno.test("msgpackCodec fails on garbage as undecodable only", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => decodesOrIsRefused(bytes)),
    { numRuns: 20_000 },
  );
});

Deno.test("msgpackCodec fails on damaged bodies as undecodable only", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(carried, damage, (value, changes) => {
      const body = encode(value);
      for (const [position, byte] of changes) {
        if (body.length > 0) body[position % body.length] = byte;
      }
      decodesOrIsRefused(body);
    }),
    { numRuns: 5_000 },
  );
});

/** What decodes must encode again, and mean the same then. */
function decodesOrIsRefused(bytes: Uint8Array): void {
  let value: unknown;
  try {
    value = msgpackCodec.decode(bytes);
  } catch (error) {
    assert(error instanceof RpcError);
    return assertStrictEquals(error.code, "undecodable");
  }
  assertEquals(structure(roundTrip(value)), structure(value));
  assertNotEquals(Object(value).polluted, true);
}

/** An array of so many values that are all written alike. */
function manyOf(unit: readonly number[], count: number): Uint8Array {
  const body = new Uint8Array(5 + count * unit.length);
  body[0] = 0xdd;
  new DataView(body.buffer).setUint32(1, count);
  for (let index = 0; index < count; index++) body.set(unit, 5 + index * unit.length);
  return body;
}

Deno.test("msgpackCodec makes no heap of memory of a few bytes", () => {
  const many = {
    "empty maps": manyOf([0x80], 4 * 2 ** 20),
    "empty byte strings": manyOf([0xc4, 0], 2 ** 20),
    "empty Maps": manyOf([0xd4, 0x4d, 0x90], 2 ** 20),
    "empty Sets": manyOf([0xd4, 0x53, 0x90], 2 ** 20),
    "tiny bigints": manyOf([0xd4, 0x42, 1], 4 * 2 ** 20),
  };
  for (const [name, body] of Object.entries(many)) {
    const error = assertThrows(() => msgpackCodec.decode(body), RpcError, "memory", name);
    assertEquals(error.code, "undecodable");
  }
});

Deno.test("msgpackCodec decodes many small values", () => {
  for (const unit of [[1], [0x80], [0x92, 1, 2], [0x81, 0xa1, 0x61, 1], [0xa2, 0x61, 0x62]]) {
    const values = msgpackCodec.decode(manyOf(unit, 800_000));
    assert(Array.isArray(values));
    assertEquals(values.length, 800_000);
  }
});
