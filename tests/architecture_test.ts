import { assert, assertEquals, assertMatch } from "../deps/std_assert.ts";
import { ImportGraph, modulePaths, sourcePaths, textOf } from "./helpers/source_files.ts";
import { applyRule, type Finding, linesOf, type Visitor } from "./helpers/source_rules.ts";

const graph = await ImportGraph.load();

/** What a module, or anything that it imports, imports of what a pattern matches. */
function reaches(path: string, pattern: RegExp): string[] {
  mustMatch(pattern);
  return [...graph.closureOf(path)].filter((imported) => pattern.test(imported));
}

/** A rule about files that do not exist would hold for ever. */
function mustMatch(pattern: RegExp): void {
  assert(modulePaths.some((path) => pattern.test(path)), `No module matches ${pattern}`);
}

function findings(rule: (text: string, report: (message: string) => void) => Visitor): Finding[] {
  return sourcePaths.flatMap((path) => {
    const text = textOf(path);
    return applyRule(path, text, (report) => rule(text, report));
  });
}

Deno.test("The import graph knows the modules of this repository", () => {
  for (const path of ["mod.ts", "client.ts", "server.ts", "workers/runtime.ts"]) {
    assert(sourcePaths.includes(path), path);
    assert(graph.importsOf(path).length > 0, path);
  }
  assert(graph.closureOf("mod.ts").has("internal/broker/amqp.ts"));
  // This import is of a type only.
  assert(graph.importsOf("internal/broker/publisher.ts").includes("internal/broker/amqp.ts"));
});

Deno.test("Client and server do not import each other", () => {
  assertEquals(reaches("client.ts", /^(options\/)?server(_\w+)?\.ts$|^internal\/serving\//), []);
  assertEquals(reaches("server.ts", /^(options\/)?client(_\w+)?\.ts$|^internal\/calling\//), []);
});

Deno.test("Client and server do not know workers", () => {
  for (const path of ["client.ts", "server.ts", "mod.ts"]) {
    assertEquals(reaches(path, /^workers\//), [], path);
  }
});

Deno.test("The pool and its workers do not know AMQP", () => {
  const known = /^(client|server|mod)\.ts$|^options\/|amqp|^npm:/;
  for (const path of sourcePaths.filter((path) => path.startsWith("workers/"))) {
    assertEquals(reaches(path, known), [], path);
  }
});

Deno.test("A worker loads no more than it needs to run procedures", () => {
  const needed =
    /^(workers\/(\w+\/)?\w+|codec|contract|errors|internal\/(running\/\w+|streaming\/generator_pump))\.ts$/;
  const loaded = [...graph.closureOf("workers/runtime.ts")];
  assertEquals(loaded.filter((path) => !needed.test(path)), []);
  assertEquals(reaches("workers/runtime.ts", /^workers\/(pool|host)\//), []);
});

Deno.test("internal/broker/amqp.ts alone imports amqplib", () => {
  const importers = sourcePaths.filter((path) => {
    return path !== "deps/amqplib.ts" &&
      graph.importsOf(path).some((imported) => /amqplib/.test(imported));
  });
  assertEquals(importers.filter((path) => !path.startsWith("testing/")), [
    "internal/broker/amqp.ts",
  ]);
});

Deno.test("Outside packages are named in deps/, in one file each", () => {
  const outside = (path: string) => graph.importsOf(path).filter((name) => /^\w{3,}:/.test(name));
  for (const path of modulePaths) {
    if (/^(tests\/fixtures|tools\/jsr|bench)\//.test(path)) continue;
    const names = outside(path).filter((name) => !name.startsWith("node:"));
    if (!path.startsWith("deps/")) assertEquals(names, [], path);
    else {for (const name of names) {
        assertMatch(name, /^(npm|jsr):(@\w+\/)?[\w-]+@\^\d+\.\d+\.\d+/, path);
      }}
    const packages = names.map((name) => /^\w+:(@\w+\/)?[^@]+/.exec(name)?.[0]);
    assert(new Set(packages).size <= 1, `${path} is about more than one package: ${packages}`);
  }
});

Deno.test("Leaves import nothing that does anything", () => {
  const leaves = ["contract.ts", "codec.ts", "errors.ts", "internal/protocol/envelope.ts"];
  const harmless =
    /^(contract|codec|errors|internal\/(broker\/amqp|protocol\/exchanges|printable|short_text))\.ts$/;
  for (const path of leaves) {
    assertEquals(graph.importsOf(path).filter((imported) => !harmless.test(imported)), [], path);
  }
  assertEquals(graph.importsOf("errors.ts"), []);
  // The envelope names the types of a message; anything else of AMQP would be a new direction.
  assertMatch(
    textOf("internal/protocol/envelope.ts"),
    /import type \{[^}]*\} from "\.\.\/broker\/amqp\.ts"/,
  );
});

Deno.test("No module imports itself, by whatever way", () => {
  const cyclic = modulePaths.filter((path) => graph.closureOf(path).has(path));
  assertEquals(cyclic, []);
});

Deno.test("What users import does not import what is for this repository", () => {
  const inner = /^(tests|bench|chaos|examples|tools)\/|std_assert|fast_check/;
  const users = sourcePaths.filter((path) => !/^(testing|deps)\//.test(path));
  for (const path of users) assertEquals(reaches(path, inner), [], path);
});

Deno.test("The chaos suite needs no tests", () => {
  const chaos = modulePaths.filter((path) => path.startsWith("chaos/"));
  for (const path of chaos) assertEquals(reaches(path, /^tests\//), [], path);
});

Deno.test("Values are exported again by mod.ts and deps/ alone, by name", () => {
  const found = findings((_text, report) => ({
    ExportAllDeclaration: (node) => report(node.exported === null ? "export *" : "namespace"),
    ExportNamedDeclaration(node) {
      if (node.source !== null && node.exportKind !== "type") report(node.source.value);
    },
  }));
  const misplaced = found.filter(({ path, message }) =>
    message === "export *" || !/(^|\/)(mod\.ts$|deps\/)/.test(path)
  );
  assertEquals(misplaced, []);
});

Deno.test("mod.ts and deps/ hold nothing of their own", () => {
  for (const path of sourcePaths.filter((path) => /(^|\/)mod\.ts$|^deps\//.test(path))) {
    const statements = textOf(path).replace(/\/\*\*[^]*?\*\/|\/\/.*/g, "").split(";");
    for (const statement of statements) {
      assertMatch(statement.trim(), /^$|^export (type )?(\{[^}]*\}|\* as \w+) from "[^"]+"$/, path);
    }
  }
});

Deno.test("Classes hide with # alone; private is for constructors", () => {
  const found = findings((_text, report) => ({
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
  const found = findings((text, report) => ({
    TSAnyKeyword: (node) => report(text.slice(node.range[0] - 30, node.range[1])),
    TSNonNullExpression: (node) => report(text.slice(...node.range)),
  }));
  assertEquals(found, []);
});

Deno.test("Files have at most 300 lines of code", () => {
  const sizes = sourcePaths.map((path) => {
    const text = textOf(path);
    const code = text.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "").split("\n");
    const codeLines = code.filter((line) => line.trim() !== "").length;
    return { path, codeLines };
  });
  const tooLong = sizes.filter(({ codeLines }) => codeLines > 300);
  assertEquals(tooLong, []);
});

Deno.test("Functions have at most 50 lines, comments included", () => {
  type Fn =
    | Deno.lint.FunctionDeclaration
    | Deno.lint.FunctionExpression
    | Deno.lint.ArrowFunctionExpression;
  const found = findings((text, report) => {
    const check = (node: Fn) => {
      const lines = linesOf(text, node.range);
      if (lines > 50) report(`${lines} lines: ${text.slice(node.range[0], node.range[0] + 60)}`);
    };
    return {
      FunctionDeclaration: check,
      FunctionExpression: check,
      ArrowFunctionExpression: check,
    };
  });
  assertEquals(found, []);
});
