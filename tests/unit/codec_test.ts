import { isDeepStrictEqual } from "node:util";
import {
  bytesCodec,
  type Codec,
  codecFor,
  codecOf,
  jsonCodec,
  MAX_DEPTH,
  UNNAMED_BYTES,
} from "../../codec.ts";
import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "../../deps/std_assert.ts";
import { RpcError } from "../../errors.ts";
import { jsonValues, unencodables } from "../helpers/arbitraries.ts";

const encoder = new TextEncoder();

function codeOf(run: () => unknown): string {
  return assertThrows(run, RpcError).code;
}

/** Nests a value in arrays. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

Deno.test("jsonCodec decodes what it encoded, as text and as bytes", () => {
  fc.assert(fc.property(jsonValues, (value) => {
    const body = jsonCodec.encode(value);
    assert(typeof body === "string");
    assert(isDeepStrictEqual(jsonCodec.decode(body), value));
    assert(isDeepStrictEqual(jsonCodec.decode(encoder.encode(body)), value));
  }));
});

Deno.test("jsonCodec writes JSON that every other reader reads", () => {
  fc.assert(fc.property(jsonValues, (value) => {
    JSON.parse(String(jsonCodec.encode(value)));
  }));
});

Deno.test("jsonCodec carries every bigint, small ones as a number", () => {
  fc.assert(fc.property(fc.bigInt(), (value) => {
    const body = jsonCodec.encode(value);
    assertStrictEquals(body, value.toString());
    const decoded = jsonCodec.decode(body);
    assertStrictEquals(BigInt(decoded as number | bigint), value);
    assertEquals(typeof decoded, Number.isSafeInteger(Number(value)) ? "number" : "bigint");
  }));
});

Deno.test("jsonCodec carries every finite number as a number", () => {
  const numbers = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(fc.property(numbers, (value) => {
    assert(Object.is(jsonCodec.decode(jsonCodec.encode(value)), value));
  }));
});

Deno.test("jsonCodec writes the digits that other languages read", () => {
  const bodies: [unknown, string][] = [
    [354224848179261915075n, "354224848179261915075"],
    [2 ** 53, "9.007199254740992e+15"],
    [-0, "-0"],
    [[1n, -0, 2 ** 64], "[1,-0,1.8446744073709552e+19]"],
    [{ a: undefined, b: null }, '{"b":null}'],
    [undefined, ""],
  ];
  for (const [value, body] of bodies) assertStrictEquals(jsonCodec.encode(value), body);
});

Deno.test("jsonCodec reads integers exactly in whatever form", () => {
  const values: [string, unknown][] = [
    ["9007199254740991", 9007199254740991],
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    ["9007199254740993.0", 9007199254740992],
    ["9007199254740993e0", 9007199254740992],
    [`1${"0".repeat(400)}`, 10n ** 400n],
    ["-0", -0],
    ['"9007199254740993"', "9007199254740993"],
    [" [12345678901234567890 , 1] ", [12345678901234567890n, 1]],
  ];
  for (const [body, value] of values) assert(isDeepStrictEqual(jsonCodec.decode(body), value));
});

Deno.test("jsonCodec stays exact where BigInt has got a toJSON()", () => {
  const prototype = BigInt.prototype as { toJSON?: () => string };
  prototype.toJSON = function () {
    return `${this}n`;
  };
  try {
    assertStrictEquals(jsonCodec.encode([2n ** 64n]), "[18446744073709551616]");
  } finally {
    delete prototype.toJSON;
  }
});

Deno.test("jsonCodec refuses at any depth what JSON would change", () => {
  const places = fc.array(fc.oneof(fc.nat({ max: 3 }), fc.constantFrom("a", "b")), {
    maxLength: 5,
  });
  fc.assert(fc.property(unencodables, places, (odd, place) => {
    // An object's undefined property is left out, and undefined alone is an empty body.
    fc.pre(odd !== undefined || typeof place.at(-1) === "number");
    const value = place.reduceRight<unknown>((inner, key) => {
      return typeof key === "string" ? { [key]: inner } : [...new Array(key).fill(0), inner];
    }, odd);
    const { code, message } = assertThrows(() => jsonCodec.encode(value), RpcError);
    const path = place.map((key) => typeof key === "string" ? `.${key}` : `[${key}]`).join("");
    assertEquals([code, message.includes(`"$${path}"`)], ["unencodable", true]);
  }));
});

Deno.test("jsonCodec refuses cycles and nesting without a limit", () => {
  const cycle: unknown[] = [];
  cycle.push({ cycle });
  assertEquals(codeOf(() => jsonCodec.encode(cycle)), "unencodable");
  assertEquals(codeOf(() => jsonCodec.encode(nested(MAX_DEPTH + 1))), "unencodable");
  const deepest = nested(MAX_DEPTH);
  assert(isDeepStrictEqual(jsonCodec.decode(jsonCodec.encode(deepest)), deepest));
});

Deno.test("jsonCodec refuses a class that extends Array", () => {
  class Stack extends Array<number> {}
  assertEquals(codeOf(() => jsonCodec.encode({ stack: Stack.of(1) })), "unencodable");
});

Deno.test("jsonCodec decodes garbage to undecodable and nothing else", () => {
  const garbage = fc.oneof(fc.uint8Array(), fc.string(), fc.json().map((text) => text.slice(1)));
  fc.assert(fc.property(garbage, (body) => {
    try {
      jsonCodec.decode(body);
    } catch (error) {
      assert(error instanceof RpcError && error.code === "undecodable", `${error}`);
    }
  }));
});

Deno.test("jsonCodec refuses bodies that are no JSON, or no UTF-8", () => {
  const bodies = [
    "{",
    "[1,]",
    "NaN",
    "'a'",
    "1 2",
    "\u{feff}1",
    "[".repeat(1e6),
    "1e400",
    "-1e999",
  ];
  for (const body of bodies) {
    assertEquals(codeOf(() => jsonCodec.decode(body)), "undecodable", body);
  }
  const bytes = new Uint8Array([0x22, 0xff, 0x22]);
  assertEquals(codeOf(() => jsonCodec.decode(bytes)), "undecodable");
});

Deno.test("jsonCodec decodes into plain objects, whatever their keys", () => {
  const value = jsonCodec.decode('{"__proto__":{"polluted":12345678901234567890},"toString":1}');
  assertEquals(Object.keys(value as object), ["__proto__", "toString"]);
  assertEquals(({} as { polluted?: unknown }).polluted, undefined);
});

Deno.test("codecFor() takes JSON, and nothing that is only called alike", () => {
  const known = [undefined, "", "application/json", "APPLICATION/JSON; charset=utf-8"];
  const named = ["application/problem+json", "application/vnd.api+json;v=1"];
  for (const contentType of [...known, ...named]) {
    assertStrictEquals(codecFor(contentType), jsonCodec);
  }
  for (const contentType of ["application/xml", "application/jsonp", "json", "__proto__"]) {
    assertStrictEquals(codecFor(contentType), undefined);
  }
});

Deno.test("codecFor() reads plain text as JSON, or as it is", () => {
  for (const contentType of ["text/plain", "TEXT/PLAIN; charset=utf-8"]) {
    const codec = codecFor(contentType);
    assertEquals(codec?.decode("30"), 30);
    assertEquals(codec?.decode(encoder.encode("grüße, 30")), "grüße, 30");
    assertEquals(codeOf(() => codec?.decode(new Uint8Array([0xff]))), "undecodable");
    assert(codec !== undefined);
    assertStrictEquals(codecOf("text", codec), jsonCodec);
  }
});

Deno.test("codecFor() reads unnamed bytes as JSON, or as they are", () => {
  const codec = codecFor(UNNAMED_BYTES);
  assert(codec !== undefined);
  assertEquals(codec.decode(encoder.encode("832040")), 832040);
  assertEquals(codec.decode(new Uint8Array([0xff, 1])), new Uint8Array([0xff, 1]));
  assertStrictEquals(codecOf(1, codec), jsonCodec);
  assertStrictEquals(codecOf(new Uint8Array(1), codec), bytesCodec);
});

Deno.test("codecFor() takes a codec that is named before what is built in", () => {
  for (const contentType of ["application/json", "text/plain", "application/octet-stream"]) {
    const own: Codec = { contentType, encode: String, decode: String };
    assertStrictEquals(codecFor(contentType, [own]), own);
    assertStrictEquals(codecFor(`${contentType}; charset=utf-8`, [own]), own);
  }
});

Deno.test("bytesCodec gives bytes of their own, and refuses all else", () => {
  const shared = new Uint8Array([1, 2, 3, 4]);
  const part = shared.subarray(1, 3);
  for (const copy of [bytesCodec.encode(part), bytesCodec.decode(part)]) {
    assertEquals(copy, new Uint8Array([2, 3]));
    assert(copy instanceof Uint8Array && copy.buffer !== shared.buffer);
  }
  assertEquals(bytesCodec.decode("é"), encoder.encode("é"));
  assertEquals(codeOf(() => bytesCodec.encode([1])), "unencodable");
});

Deno.test("codecOf() lets bytes leave as they are only where JSON would be", () => {
  const other = { ...jsonCodec, contentType: "text/x" };
  const bytes = new Uint8Array(1);
  assertStrictEquals(codecOf(bytes, jsonCodec), bytesCodec);
  assertStrictEquals(codecOf("text", bytesCodec), jsonCodec);
  assertStrictEquals(codecOf(bytes, other), other);
  assertStrictEquals(codecFor("application/octet-stream"), bytesCodec);
  const own = { ...other, aliases: ["application/octet-stream"] };
  assertStrictEquals(codecFor("application/octet-stream", [own]), own);
});
