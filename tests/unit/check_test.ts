import { fc } from "../../deps/fast_check.ts";
import { assertEquals, assertThrows } from "../../deps/std_assert.ts";
import { RpcError } from "../../errors.ts";
import { checkBodySize } from "../../internal/body_size.ts";
import { checkInteger, checkName } from "../../internal/check.ts";

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
    assertEquals(throws(() => checkInteger("connect", "x", value, { min: 1, max: 10 })), !isRight);
  }));
});

Deno.test("checkInteger() names option, bounds and value", () => {
  assertThrows(
    () => checkInteger("listen", "prefetch", 0, { min: 1, max: 2_000 }),
    RangeError,
    'Cannot listen as "prefetch" must be an integer from 1 to 2000: current value is 0',
  );
  assertThrows(
    () => checkInteger("listen", "maxBodyBytes", NaN, { min: 1 }),
    RangeError,
    'Cannot listen as "maxBodyBytes" must be an integer of at least 1: current value is NaN',
  );
});

Deno.test("checkName() takes 1 to 255 bytes of UTF-8 and nothing else", () => {
  const names = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.anything());
  fc.assert(fc.property(names, (name) => {
    const bytes = typeof name === "string" ? encoder.encode(name).length : 0;
    assertEquals(throws(() => checkName("call", "procedure", name)), bytes < 1 || bytes > 255);
  }));
  checkName("call", "procedure", "é".repeat(127));
  assertThrows(() => checkName("call", "procedure", "é".repeat(128)), TypeError, "1 to 255 bytes");
});

Deno.test("checkBodySize() counts bytes, not characters", () => {
  const bodies = fc.oneof(fc.string({ unit: "grapheme" }), fc.uint8Array());
  fc.assert(fc.property(bodies, fc.nat({ max: 40 }), (body, limit) => {
    const bytes = typeof body === "string" ? encoder.encode(body).length : body.length;
    assertEquals(throws(() => checkBodySize(body, limit, "Cannot send as it")), bytes > limit);
  }));
});

Deno.test("checkBodySize() names both sizes", () => {
  const error = assertThrows(() => checkBodySize("żółw", 6, "Cannot send as it"), RpcError);
  assertEquals(error.code, "too-large");
  assertEquals(error.message, 'Cannot send as it has 7 bytes: the limit "maxBodyBytes" is 6');
});
