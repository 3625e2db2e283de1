import { assertEquals } from "../../deps/std_assert.ts";
import { productPaths, sourcePaths, textOf } from "../helpers/source_files.ts";
import { applyRule, findings, type Visitor } from "../helpers/source_rules.ts";

Deno.test("Classes hide with # alone; private is for constructors", () => {
  const found = findings(sourcePaths, (_text, report) => ({
    PropertyDefinition(node) {
      if (node.accessibility !== undefined) report(`${node.accessibility} property`);
      if (node.key.type === "Identifier" && node.key.name.startsWith("_")) report(node.key.name);
    },
    MethodDefinition(node) {
      const isConstructor = node.kind === "constructor";
      if (node.accessibility !== undefined && !isConstructor) {
        report(`${node.accessibility} method`);
      }
      if (node.key.type === "Identifier" && node.key.name.startsWith("_")) report(node.key.name);
    },
    TSParameterProperty: () => report("parameter property"),
  }));
  assertEquals(found, []);
  const marked = sourcePaths.filter((path) => textOf(path).includes("@internal"));
  assertEquals(marked, []);
});

Deno.test("No type is any, and no value is declared to be there by !", () => {
  const found = findings(sourcePaths, (text, report) => ({
    TSAnyKeyword: (node) => report(text.slice(node.range[0] - 30, node.range[1])),
    TSNonNullExpression: (node) => report(text.slice(...node.range)),
  }));
  assertEquals(found, []);
});

/** Two booleans that change are four states, of which some must never be: one union names each. */
function manyFlags(_text: string, report: (message: string) => void): Visitor {
  return {
    ClassBody({ body }) {
      const flags = body.filter((member) =>
        member.type === "PropertyDefinition" && !member.readonly && isFlag(member)
      );
      const names = flags.map((member) =>
        "key" in member && "name" in member.key ? `#${member.key.name}` : ""
      );
      if (flags.length > 1) report(names.join(" "));
    },
  };
}

function isFlag({ value, typeAnnotation }: Deno.lint.PropertyDefinition): boolean {
  return typeAnnotation?.typeAnnotation.type === "TSBooleanKeyword" ||
    (value?.type === "Literal" && typeof value.value === "boolean");
}

Deno.test("The state of a class is one union, not several booleans", () => {
  assertEquals(findings(productPaths, manyFlags), []);
});

Deno.test("The rule about booleans sees them, and leaves constants alone", () => {
  const source = `
    class Two { #isOpen = false; #isClosing: boolean; constructor() {} }
    class One { #isOpen = true; readonly #isDurable: boolean = false; #name = "x"; }
  `;
  const found = applyRule("made_up.ts", source, (report) => manyFlags(source, report));
  assertEquals(found.map(({ message }) => message), ["#isOpen #isClosing"]);
});
