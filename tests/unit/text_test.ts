import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals, assertFalse, assertThrows } from "../../deps/std_assert.ts";
import { checkProcedureName } from "../../internal/check.ts";
import { isPrintable, toPrintable } from "../../internal/text.ts";

Deno.test("toPrintable() leaves one line that no terminal acts on", () => {
  assertEquals(
    toPrintable("a\r\nb\x1b[31m\u202ec\u2028\u0085"),
    "a\\u{d}\\u{a}b\\u{1b}[31m\\u{202e}c\\u{2028}\\u{85}",
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert(isPrintable(toPrintable(text)));
    if (isPrintable(text)) assertEquals(toPrintable(text), text);
  }));
});

Deno.test("toPrintable() leaves lines to texts that may have them", () => {
  assertEquals(
    toPrintable("a\r\n\tb\x1b[2J\u009b1m\u202e\u2028", { lines: true }),
    "a\\u{d}\n\tb\\u{1b}[2J\\u{9b}1m\\u{202e}\\u{2028}",
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert(isPrintable(toPrintable(text, { lines: true }).replaceAll(/[\n\t]/g, "")));
  }));
});

Deno.test("isPrintable() takes the texts of all languages", () => {
  for (const text of ["", "add", "größe/ß", "加法", "a b", "__proto__", "🐇"]) {
    assert(isPrintable(text));
  }
  for (const text of ["\0", "a\n", "\u200b", "\ufeff", "\ud800"]) assertFalse(isPrintable(text));
});

Deno.test("checkProcedureName() refuses what cannot be seen", () => {
  checkProcedureName("call", "constructor");
  for (const name of ["a\nb", "\u202eevil", "a\0"]) {
    assertThrows(() => checkProcedureName("call", name), TypeError, "control characters");
  }
  assertThrows(() => checkProcedureName("call", ""), TypeError, "1 to 255 bytes");
});
