import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { modulePaths, ROOT, textOf } from "../../helpers/source_files.ts";

const doc = await Deno.readTextFile(new URL("docs/security.md", ROOT));

/** The cells of each row of a table, but for those of its head. */
const rows: readonly string[][] = [...doc.matchAll(/^\| (.+) \|$/gm)]
  .map(([, cells = ""]) => cells.split("|").map((cell) => cell.trim()))
  .filter(([first = "", ...rest]) => !first.startsWith("---") && rest.at(-1) !== "Tests");

/** All names of tests; a variable part is cited with an ellipsis in its place. */
function testNames(paths: readonly string[]): string[] {
  const source = paths.map(textOf).join("\n").replaceAll(/\$\{[^}]*\}/g, "…");
  return [...source.matchAll(/[tT]est\(\s*(["`])(.+?)\1,/g)].map(([, , name = ""]) => name);
}

function citedBy(row: readonly string[]): string[] {
  return [...(row.at(-1) ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

Deno.test("docs/security.md names tests that exist, for each row", () => {
  const names = new Set(testNames(modulePaths.filter((path) => path.startsWith("tests/"))));
  assert(rows.length > 20);
  for (const row of rows) {
    assertEquals(row.length, 4, row[0]);
    const cited = citedBy(row);
    assert(cited.length > 0, row[0]);
    assertEquals(cited.filter((name) => !names.has(name)), [], row[0]);
  }
});

Deno.test("docs/security.md has a row for each threat that is tested", () => {
  const threats = testNames(modulePaths.filter((path) => path.startsWith("tests/threats/")))
    .filter((name) => name.startsWith("Threat:"));
  assert(threats.length > 20);
  const cited = new Set(rows.flatMap(citedBy));
  assertEquals(threats.filter((name) => !cited.has(name)), []);
});
