import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { modulePaths, productPaths, sourcePaths, textOf } from "../helpers/source_files.ts";
import { exportedNames, findings } from "../helpers/source_rules.ts";

/** Files that are no place for one thing, and why. */
const OTHERWISE_NAMED: ReadonlyMap<RegExp, string> = new Map([
  [/(^|\/)mod\.ts$/, "only exports what others have"],
  [/^workers\/worker\/\w+_main\.ts$/, "is started, not imported"],
  [/^(cli|create)\/main\.ts$/, "is started, not imported"],
  [/^workers\/runtime\.ts$/, "is an entry, named after what it is to a worker file"],
  [/^deps\//, "is named after its package"],
  [/_errors\.ts$/, "makes the errors of one subject, each by a function of its own"],
]);

/** `RpcClient` and `rpc_client` as the same words, each in the singular. */
function wordsOf(name: string): string {
  const snake = /^[A-Z0-9_]+$/.test(name) ? name : name.replace(/(?<=[a-z0-9])[A-Z]/g, "_$&");
  return snake.toLowerCase().split("_").map((word) => word.replace(/ies$/, "y").replace(/s$/, ""))
    .join("_");
}

/** Whether the words of an exported name begin or end with those of its file. */
function isNamedAfter(name: string, file: string): boolean {
  const [words, fileWords] = [`_${wordsOf(name)}_`, `_${wordsOf(file)}_`];
  return words.startsWith(fileWords) || words.endsWith(fileWords);
}

Deno.test("A file exports the thing that its name says", () => {
  const found = productPaths.flatMap((path) => {
    if ([...OTHERWISE_NAMED.keys()].some((pattern) => pattern.test(path))) return [];
    const file = path.replace(/^.*\/|\.ts$/g, "");
    const names = exportedNames(path, textOf(path));
    const isNamed = names.some((name) => isNamedAfter(name, file));
    return isNamed ? [] : [{ path, message: `exports ${names.join(", ")}` }];
  });
  assertEquals(found, []);
  for (const pattern of OTHERWISE_NAMED.keys()) {
    assert(sourcePaths.some((path) => pattern.test(path)), `No module matches ${pattern}`);
  }
});

Deno.test("A name of a file is found in longer names, and in plurals", () => {
  assertEquals(isNamedAfter("RpcClient", "client"), true);
  assertEquals(isNamedAfter("checkInteger", "check"), true);
  assertEquals(isNamedAfter("BoundedEntry", "bounded_entries"), true);
  assertEquals(isNamedAfter("MAX_EVENTS", "events"), true);
  assertEquals(isNamedAfter("RpcClientOptions", "client"), false);
  assertEquals(isNamedAfter("Remission", "emission"), false);
});

Deno.test("Values are exported again by mod.ts and deps/ alone, by name", () => {
  const found = findings(sourcePaths, (_text, report) => ({
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

/** Names of others, or where a package keeps a file that is no module. */
const FOREIGN_REGEXP =
  /^$|^export (type )?(\{[^}]*\}|\* as \w+) from "[^"]+"$|^export const \w+: URL = new URL\(\s*import\.meta\.resolve\("npm:[^"]+"\),\s*\)$/;

Deno.test("mod.ts and deps/ hold nothing of their own", () => {
  for (const path of sourcePaths.filter((path) => /(^|\/)mod\.ts$|^deps\//.test(path))) {
    const statements = textOf(path).replace(/\/\*\*[^]*?\*\/|\/\/.*/g, "").split(";");
    for (const statement of statements) {
      assertMatch(statement.trim(), FOREIGN_REGEXP, path);
    }
  }
});

Deno.test("Folders of unit tests are called as the rooms that they test", () => {
  const folders = new Set(
    modulePaths.flatMap((path) => /^tests\/unit\/(\w+)\//.exec(path)?.[1] ?? []),
  );
  assert(folders.size > 5);
  const rooms = new Set(
    modulePaths.filter((path) => !path.startsWith("tests/")).flatMap((path) =>
      path.split("/").slice(0, -1)
    ),
  );
  assertEquals([...folders].filter((folder) => folder !== "docs" && !rooms.has(folder)), []);
});
