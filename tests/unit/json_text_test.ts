import { isDeepStrictEqual } from "node:util";
import { createJsonCodec, jsonCodec, MAX_DEPTH } from "../../codec.ts";
import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../../deps/std_assert.ts";
import { RpcError } from "../../errors.ts";
import { inspectJsonText } from "../../internal/json_text.ts";

const encoder = new TextEncoder();

/** `JSON.parse` with source text access, which TypeScript's library does not describe yet. */
interface ParseWithSource {
  parse(text: string, reviver: typeof readNumber): unknown;
}

/** What the codec is to be equal to, however slow: a look at the source of each number. */
function readNumber(_key: string, value: unknown, { source = "" }: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  if (/^-?\d+$/.test(source)) return BigInt(source);
  if (Number.isFinite(value)) return value;
  throw new RangeError("too large");
}

function parseWithSource(text: string): unknown {
  return (JSON as JSON & ParseWithSource).parse(text, readNumber);
}

/** The value, or that there is none. */
function outcomeOf(parse: () => unknown): unknown {
  try {
    return { value: parse() };
  } catch {
    return "error";
  }
}

const digits = fc.stringMatching(/^[1-9]\d{0,40}$/);
const numbers = fc.oneof(
  fc.constantFrom("0", "-0", "1", "9007199254740991", "9007199254740992", "9007199254740993"),
  fc.constantFrom("1e5", "1E400", "-1e+400", "9007199254740993e0", "9.007199254740993e15"),
  fc.constantFrom("1e-400", "0.1234567890123456789", "1234567890123456789.5", "1e0000308"),
  fc.constantFrom(`1${"0".repeat(400)}`, `-1${"0".repeat(400)}`, `1${"0".repeat(400)}.5`),
  digits,
  digits.map((text) => `-${text}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);
const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("1234567890123456789", '"[{\\', "\\\\", '\\"', "e999", `${'"'.repeat(40)}\\`),
  fc.constant(`${"x".repeat(100)}\\"${"y".repeat(100)}\\`),
);
/** Few, so that they come again within an object. */
const keys = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "0", "__proto__", "constructor", "\\u0061") },
  // V8 takes a key with such an escape for another one that it has seen: nodejs/node issue 63785.
  {
    weight: 1,
    arbitrary: texts.map((text) => JSON.stringify(text).slice(1, -1))
      .filter((text) => !text.includes("\\")),
  },
);
const spaces = fc.constantFrom("", "", " ", "\n\t");

const { json } = fc.letrec<{ json: string; list: string; record: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 5, depthSize: "medium", withCrossShrink: true },
    numbers,
    fc.constantFrom("true", "false", "null", "[]", "{}"),
    texts.map((text) => JSON.stringify(text)),
    tie("list"),
    tie("record"),
  ),
  list: fc.tuple(fc.array(tie("json"), { maxLength: 5 }), spaces)
    .map(([items, space]) => `[${space}${items.join(`${space},${space}`)}]`),
  record: fc.tuple(fc.array(fc.tuple(keys, tie("json")), { maxLength: 5 }), spaces)
    .map(([members, space]) =>
      `{${members.map(([key, value]) => `"${key}"${space}:${space}${value}`).join(",")}${space}}`
    ),
}));

Deno.test("jsonCodec reads what JSON.parse reads with the source of each number", () => {
  // Short texts take another way.
  const paddings = fc.constantFrom("", " ".repeat(2 * MAX_DEPTH));
  fc.assert(
    fc.property(json, paddings, (text, padding) => {
      const body = padding + text;
      const expected = outcomeOf(() => parseWithSource(body));
      const found = outcomeOf(() => jsonCodec.decode(body));
      const foundInBytes = outcomeOf(() => jsonCodec.decode(encoder.encode(body)));
      assert(isDeepStrictEqual(found, expected));
      assert(isDeepStrictEqual(foundInBytes, expected));
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("jsonCodec reads a long number at whatever place, also where keys come again", () => {
  const long = "12345678901234567890";
  const same = "1.234567890123456789e19";
  const bodies = [
    `{"a":${long},"a":1}`,
    `{"a":${long},"a":${same}}`,
    `{"a":${same},"a":${long}}`,
    `{"a":[${long}],"a":[${same}]}`,
    `{"a":[1,${long}],"a":{"1":${long}}}`,
    `{"a":{"b":${long}},"a":"text"}`,
    `{"a":1e400,"a":1${"0".repeat(400)}}`,
    `{"__proto__":{"b":${long}},"c":${long}}`,
    `{"ä":"€","\\u00e4":${long}}`,
    `[[[]],[{}],{"x":[[1,2,[${long}]]]},${long}]`,
  ];
  for (const body of bodies) {
    assert(isDeepStrictEqual(jsonCodec.decode(body), parseWithSource(body)), body);
  }
});

Deno.test("inspectJsonText() takes texts that are no JSON", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    inspectJsonText({ text, bytes: encoder.encode(text) }, { maxDepth: 100, maxDigits: 100 });
  }));
});

Deno.test("jsonCodec bounds the digits of a number, and says so", () => {
  const bodies = [
    "9".repeat(10_001),
    `[1,-${"9".repeat(10_001)}]`,
    `0.${"1".repeat(10_000)}`,
    `{"a":1e${"0".repeat(10_000)}}`,
  ];
  for (const body of bodies) {
    const { code, message } = assertThrows(() => jsonCodec.decode(body), RpcError);
    assertEquals(code, "undecodable");
    assertMatch(message, /a number of 1000\d digits: the limit "maxDigits" is 10000/);
  }
  assertEquals(jsonCodec.decode("9".repeat(10_000)), 10n ** 10_000n - 1n);
  assertEquals(jsonCodec.decode(`"${"9".repeat(10_001)}"`), "9".repeat(10_001));
});

Deno.test("createJsonCodec() has limits of its own", () => {
  const codec = createJsonCodec({ maxDigits: 20, maxBytes: 30 });
  assertEquals(codec.decode("9".repeat(20)), 10n ** 20n - 1n);
  const digits = assertThrows(() => codec.decode("9".repeat(21)), RpcError);
  assertEquals(digits.code, "undecodable");
  const size = assertThrows(() => codec.decode(" ".repeat(31)), RpcError);
  assertEquals(
    [size.code, size.message],
    [
      "too-large",
      'Cannot decode a body as JSON as it has 31 bytes: the limit "maxBytes" is 30',
    ],
  );
});

Deno.test("createJsonCodec() refuses limits that are none", () => {
  for (const options of [{ maxDigits: 15 }, { maxDigits: NaN }, { maxBytes: 0 }]) {
    assertThrows(() => createJsonCodec(options), RangeError, "Cannot create a codec as");
  }
});

/** Runs both in turn until one is fast enough for the other: whatever else runs only adds time. */
function leastRatio(slow: () => unknown, fast: () => unknown): number {
  let [slowMs, fastMs] = [Infinity, Infinity];
  const end = performance.now() + 5_000;
  // At first nothing is compiled.
  do {
    slowMs = Math.min(slowMs, msOf(slow));
    fastMs = Math.min(fastMs, msOf(fast));
  } while (slowMs > MOST_TIMES * fastMs && performance.now() < end);
  return slowMs / fastMs;
}

function msOf(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

/** A look at each value takes 15 to 35 times as long as `JSON.parse`. */
const MOST_TIMES = 5;

const cheapBodies: Readonly<Record<string, string>> = {
  "digits in a text beside many integers": `["1234567890123456"${",1".repeat(500_000)}]`,
  "nothing but texts of digits": `[${'"1234567890123456",'.repeat(50_000)}1]`,
  "nothing but fractions": `[${"0.12345678901234567,".repeat(50_000)}1]`,
  "a long integer beside many arrays": `[1234567890123456789${",[]".repeat(200_000)}]`,
};

for (const [name, body] of Object.entries(cheapBodies)) {
  Deno.test(`jsonCodec takes time for long numbers alone: ${name}`, () => {
    const ratio = leastRatio(() => jsonCodec.decode(body), () => JSON.parse(body));
    assert(ratio <= MOST_TIMES, `${ratio} times JSON.parse`);
  });
}
