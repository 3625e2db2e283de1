import { assertEquals } from "../../../deps/std_assert.ts";
import { schemaDiff } from "../../../cli/contracts/schema_diff.ts";
import { schemaText } from "../../../cli/contracts/schema_text.ts";

const object = (properties: object, ...required: readonly string[]) => ({
  type: "object",
  properties,
  required,
});
const text = { type: "string" };
const number = { type: "number" };
const integer = { type: "integer" };

Deno.test("schemaDiff() finds what a schema takes that another refuses", () => {
  const cases: readonly (readonly [wide: unknown, narrow: unknown, paths: readonly string[]])[] = [
    [text, text, []],
    [undefined, undefined, []],
    [text, undefined, []],
    [text, {}, []],
    [undefined, text, ["in"]],
    [integer, number, []],
    [number, integer, ["in"]],
    [object({ a: text }, "a"), object({ a: text }), []],
    [object({ a: text }), object({ a: text }, "a"), ["in.a"]],
    [object({ a: text }, "a"), object({ a: number }, "a"), ["in.a"]],
    [object({ a: text }), { ...object({}), additionalProperties: false }, ["in.a"]],
    [{ enum: ["a"] }, { enum: ["a", "b"] }, []],
    [{ enum: ["a", "b"] }, { enum: ["a"] }, ["in"]],
    [{ const: "a" }, { enum: ["a", "b"] }, []],
    [text, { enum: ["a"] }, ["in"]],
    [{ anyOf: [text, number] }, text, ["in"]],
    [text, { anyOf: [text, number] }, []],
    [{ type: ["string", "null"] }, text, ["in"]],
    [text, { type: ["string", "null"] }, []],
    [{ ...text, maxLength: 5 }, { ...text, maxLength: 9 }, []],
    [{ ...text, maxLength: 9 }, { ...text, maxLength: 5 }, ["in.maxLength"]],
    [number, { ...number, minimum: 0 }, ["in.minimum"]],
    [text, { ...text, pattern: "a" }, ["in.pattern"]],
    [{ type: "array", items: text }, { type: "array", items: number }, ["in[]"]],
    [{ type: "array", prefixItems: [text] }, { type: "array", prefixItems: [number] }, ["in[0]"]],
    [{ allOf: [text] }, { allOf: [text] }, []],
    [text, { allOf: [text, { maxLength: 2 }] }, ["in.maxLength"]],
    [{ $ref: "#/$defs/a", $defs: { a: text } }, { $ref: "#/$defs/a", $defs: { a: text } }, []],
    [{ $ref: "#/$defs/a", $defs: { a: text } }, { $ref: "#/$defs/a", $defs: { a: number } }, [
      "in",
    ]],
  ];
  for (const [wide, narrow, paths] of cases) {
    const found = schemaDiff(wide, narrow, "in").map(({ path }) => path);
    assertEquals(found, paths, JSON.stringify([wide, narrow]));
  }
});

Deno.test("schemaDiff() and schemaText() end with schemas that refer to themselves", () => {
  const tree = (leaf: unknown) => ({
    ...object({ leaf, kids: { type: "array", items: { $ref: "#" } } }, "leaf"),
  });
  assertEquals(schemaDiff(tree(text), tree(text), "in"), []);
  assertEquals(schemaDiff(tree(text), tree(number), "in")[0]?.path, "in.leaf");
  assertEquals(schemaText({ $ref: "#" }), "unknown");
  assertEquals(schemaText(tree(text)).includes("kids?: Array<{"), true);
});

Deno.test("schemaText() writes types", () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [undefined, "unknown"],
    [true, "unknown"],
    [false, "never"],
    [{ type: "array", items: text }, "string[]"],
    [{ type: "array", items: { anyOf: [text, number] } }, "Array<string | number>"],
    [{ type: "array", prefixItems: [text, number] }, "[string, number]"],
    [{ enum: ["a", 1, null] }, '"a" | 1 | null'],
    [{ allOf: [text, number] }, "(string) & (number)"],
    [{ type: "object" }, "Record<string, unknown>"],
    [{ type: "object", additionalProperties: number }, "Record<string, number>"],
    [object({ "a b": text, c: number }, "c"), '{\n  "a b"?: string;\n  c: number;\n}'],
  ];
  for (const [schema, type] of cases) assertEquals(schemaText(schema), type);
});
