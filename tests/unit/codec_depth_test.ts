import { fc } from "../../deps/fast_check.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertStringIncludes,
  assertThrows,
} from "../../deps/std_assert.ts";
import { jsonCodec, MAX_DEPTH } from "../../codec.ts";
import { RpcError } from "../../errors.ts";
import { inspectJsonText } from "../../internal/json_text.ts";

function isNestedDeeper(text: string, maxDepth: number): boolean {
  try {
    inspectJsonText({ text, bytes: new TextEncoder().encode(text) }, {
      maxDepth,
      maxDigits: 1_000,
    });
    return false;
  } catch (error) {
    assertStringIncludes(String(error), "nested deeper");
    return true;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

Deno.test("inspectJsonText() counts levels and nothing within strings", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.integer({ min: 0, max: 6 }), (value, maxDepth) => {
    assertEquals(isNestedDeeper(JSON.stringify(value), maxDepth), depthOf(value) > maxDepth);
  }));
});

Deno.test("inspectJsonText() looks into texts that are no JSON", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'[]{}"\\a') }), (text) => {
    isNestedDeeper(text, 1);
  }));
  assertFalse(isNestedDeeper(`"${"[".repeat(100)}`, 1));
  assert(isNestedDeeper(`"\\\\"${"[".repeat(100)}`, 1));
  assertFalse(isNestedDeeper(`"\\"${"[".repeat(100)}`, 1));
});

Deno.test("jsonCodec decodes no deeper than it encodes", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const nested = (depth: number) => open.repeat(depth) + "1" + close.repeat(depth);
    assertEquals(depthOf(jsonCodec.decode(nested(MAX_DEPTH))), MAX_DEPTH);
    for (const depth of [MAX_DEPTH + 1, 100_000]) {
      const error = assertThrows(() => jsonCodec.decode(nested(depth)), RpcError, "1000 levels");
      assertEquals(error.code, "undecodable");
    }
  }
});
