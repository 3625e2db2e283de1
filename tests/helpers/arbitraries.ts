/** Values for property-based tests. @module */

import { fc } from "../../deps/fast_check.ts";

/** Numbers of all the forms that JSON has trouble with. */
const numbers = fc.oneof(
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.integer(),
  fc.constantFrom(-0, 2 ** 53, -(2 ** 53), 2 ** 53 + 2, 1e21, 1e300, 5e-324, 0.1, 1e-7, 123e-20),
  fc.maxSafeInteger(),
);

/** Integers that only a bigint holds; smaller ones arrive as numbers. */
const bigints = fc.bigInt().filter((value) => !Number.isSafeInteger(Number(value)));

/** Any text, lone halves of surrogate pairs and long runs of digits included. */
const texts = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  fc.bigInt().map(String),
);

/** Every value that the JSON codec carries unchanged. */
export const jsonValues: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    numbers,
    bigints,
    texts,
    fc.array(tie("value")),
    fc.dictionary(fc.oneof(texts, fc.constant("__proto__")), tie("value"), {
      noNullPrototype: true,
    }),
  ),
})).value;

/** Values that JSON would change without a word. */
export const unencodables: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(NaN, Infinity, -Infinity, undefined, Symbol("odd"), () => {}, /x/, new Map()),
  fc.date(),
  fc.uint8Array(),
  fc.constantFrom(new (class Odd {})(), { toJSON: () => 1 }, new Number(1), Promise.resolve()),
);
