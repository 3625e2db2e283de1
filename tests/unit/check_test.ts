import { fc } from "../../deps/fast_check.ts";
import { assertEquals, assertThrows } from "../../deps/std_assert.ts";
import { bytesCodec, jsonCodec } from "../../codec.ts";
import { RpcError } from "../../errors.ts";
import {
  checkBodySize,
  checkCodecs,
  checkInteger,
  checkName,
  checkNumber,
  checkOneOf,
  checkSignal,
  checkType,
} from "../../internal/check.ts";

const encoder = new TextEncoder();

function throws(run: () => void): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}

Deno.test("checkInteger() takes the integers within its bounds alone", () => {
  const values = fc.oneof(fc.integer({ min: -5, max: 15 }), fc.double(), fc.constant(10.5));
  fc.assert(fc.property(values, (value) => {
    const isRight = Number.isInteger(value) && value >= 1 && value <= 10;
    assertEquals(
      throws(() => checkInteger("connect", { x: value }, { min: 1, max: 10 })),
      !isRight,
    );
  }));
});

Deno.test("checkInteger() names option, bounds and value", () => {
  assertThrows(
    () => checkInteger("listen", { prefetch: 0 }, { min: 1, max: 2_000 }),
    RangeError,
    'Cannot listen as "prefetch" must be an integer from 1 to 2000: current value is 0',
  );
  assertThrows(
    () => checkInteger("listen", { maxBodyBytes: NaN }, { min: 1 }),
    RangeError,
    'Cannot listen as "maxBodyBytes" must be an integer of at least 1: current value is NaN',
  );
});

Deno.test("checkInteger() checks each option that is there", () => {
  checkInteger("open a pool", { timeLimitMs: undefined, maxWorkers: 1 }, { min: 1 });
  for (const maxBacklog of [-1, 1.5, Infinity, null, true, [1]]) {
    assertThrows(
      () => checkInteger("open a pool", { maxWorkers: 1, maxBacklog }, { min: 0 }),
      RangeError,
      'Cannot open a pool as "maxBacklog" must be an integer of at least 0',
    );
  }
});

Deno.test("Errors of options show a text in quotes, on one line", () => {
  const shown = (value: unknown) =>
    assertThrows(() => checkInteger("listen", { prefetch: value }, { min: 1 }), RangeError).message
      .replace(/^.*: current value is /, "");
  assertEquals(shown("8"), '"8"');
  assertEquals(shown("\x1b[2J\n"), '"\\u{1b}[2J\\u{a}"');
  assertEquals(shown("x".repeat(500)), `"${"x".repeat(80)}"`);
  assertEquals([8n, null, [8], { a: 8 }, Object.create(null), () => 8, Symbol("s")].map(shown), [
    "8n",
    "null",
    "an array",
    "an object",
    "an object",
    "a function",
    "Symbol(s)",
  ]);
});

Deno.test("checkNumber() takes the numbers between its bounds alone", () => {
  const numbers = fc.oneof(fc.double(), fc.constantFrom(0, 1, -1, Infinity, "0.5"));
  fc.assert(fc.property(numbers, (value) => {
    const isRatio = typeof value === "number" && value > 0 && value < 1;
    assertEquals(throws(() => checkNumber("retry", { value }, { above: 0, below: 1 })), !isRatio);
    const isTime = typeof value === "number" && value >= 0;
    assertEquals(throws(() => checkNumber("close", { value }, { min: 0 })), !isTime);
  }));
  assertThrows(
    () => checkNumber("break circuits", { failureRatio: 1 }, { above: 0, below: 1 }),
    RangeError,
    'Cannot break circuits as "failureRatio" must be a number above 0 and below 1: ' +
      "current value is 1",
  );
});

Deno.test("checkOneOf() takes the known words alone", () => {
  const words = ["thread", "process"];
  for (const isolation of [undefined, ...words]) checkOneOf("open a pool", { isolation }, words);
  assertThrows(
    () => checkOneOf("open a pool", { isolation: "fibre" }, words),
    TypeError,
    'Cannot open a pool as "isolation" must be one of "thread", "process": ' +
      'current value is "fibre"',
  );
  assertThrows(() => checkOneOf("open a pool", { isolation: ["thread"] }, words), TypeError);
});

Deno.test("checkName() takes 1 to 255 bytes of UTF-8 and nothing else", () => {
  const names = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.anything());
  fc.assert(fc.property(names, (name) => {
    const bytes = typeof name === "string" ? encoder.encode(name).length : 0;
    assertEquals(throws(() => checkName("call", { name })), bytes < 1 || bytes > 255);
  }));
  checkName("call", { name: "é".repeat(127) });
  assertThrows(() => checkName("call", { name: "é".repeat(128) }), TypeError, "1 to 255 bytes");
  checkName("call", { name: "\u{1f407}" });
  assertThrows(() => checkName("call", { name: "\ud83d" }), TypeError, "halves of characters");
});

Deno.test("checkBodySize() counts bytes, not characters", () => {
  const bodies = fc.oneof(fc.string({ unit: "grapheme" }), fc.uint8Array());
  fc.assert(fc.property(bodies, fc.nat({ max: 40 }), (body, limit) => {
    const bytes = typeof body === "string" ? encoder.encode(body).length : body.length;
    assertEquals(
      throws(() => checkBodySize(body, limit, { subject: "Cannot send as it" })),
      bytes > limit,
    );
  }));
});

Deno.test("checkBodySize() names both sizes", () => {
  const error = assertThrows(
    () => checkBodySize("żółw", 6, { subject: "Cannot send as it" }),
    RpcError,
  );
  assertEquals(error.code, "too-large");
  assertEquals(error.message, 'Cannot send as it has 7 bytes: the limit "maxBodyBytes" is 6');
});

Deno.test("checkType() takes values of its type alone", () => {
  const values = fc.oneof(fc.anything(), fc.constant(() => {}));
  fc.assert(
    fc.property(
      values,
      fc.constantFrom("boolean", "function", "object", "string"),
      (value, type) => {
        const isOfType = typeof value === type && value !== null && !Array.isArray(value);
        const isRight = value === undefined || isOfType;
        assertEquals(throws(() => checkType("call", { value }, type)), !isRight);
      },
    ),
  );
  assertThrows(
    () => checkType("call", { immediate: true, outputs: null }, "object"),
    TypeError,
    'Cannot call as "immediate" must be an object: current value is true',
  );
});

Deno.test("checkSignal() takes signals alone", () => {
  const { signal } = new AbortController();
  checkSignal("call", { signal, other: AbortSignal.any([signal]), absent: undefined });
  assertThrows(
    () => checkSignal("call", { signal: { aborted: false } }),
    TypeError,
    'Cannot call as "signal" must be an AbortSignal: current value is an object',
  );
});

Deno.test("checkCodecs() takes lists of codecs alone", () => {
  for (const codecs of [undefined, [], [jsonCodec], [bytesCodec, jsonCodec]]) {
    checkCodecs("listen", codecs);
  }
  const part = "a codec, which has contentType, encode() and decode()";
  for (
    const [codecs, message] of [
      [jsonCodec, '"codecs" must be a list of codecs: current value is an object'],
      [null, '"codecs" must be a list of codecs: current value is null'],
      [["json"], `"codecs[0]" must be ${part}: current value is "json"`],
      [[jsonCodec, { ...jsonCodec, decode: 1 }], `"codecs[1]" must be ${part}: current value is`],
    ] as const
  ) {
    assertThrows(() => checkCodecs("listen", codecs), TypeError, `Cannot listen as ${message}`);
  }
});
