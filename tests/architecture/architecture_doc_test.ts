import { assert } from "../../deps/std_assert.ts";
import { ROOT, sourcePaths, textOf } from "../helpers/source_files.ts";
import { ROOMS } from "../helpers/source_rooms.ts";

const doc = await Deno.readTextFile(new URL("docs/architecture.md", ROOT));

/** What the page says in code font, but for what a block shows. */
const codes: readonly string[] = [...doc.replaceAll(/```.*?```/gs, "").matchAll(/`([^`]+)`/g)]
  .map(([, code = ""]) => code);

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
}

Deno.test("docs/architecture.md names files and folders that exist", async () => {
  const paths = codes.filter((code) => /^[\w./]+(\.ts|\.md|\/)$/.test(code));
  assert(paths.length > 40);
  for (const path of paths) assert(await exists(path), path);
});

Deno.test("docs/architecture.md names functions that are where it says", () => {
  const rows = [...doc.matchAll(/^\| [^|]+ \| `([^`]+\.ts)` +\| `#?(\w+)` +\|$/gm)];
  assert(rows.length > 8);
  for (const [row, path = "", name = ""] of rows) {
    assert(new RegExp(`\\b${name}\\b`).test(textOf(path)), row);
  }
});

Deno.test("docs/architecture.md shows every room, and no other", () => {
  const [, picture = ""] = /```text\n(.*?)```/s.exec(doc) ?? [];
  const shown = picture.match(/[a-z_/]+(\*?\.ts|\/[a-z]*)/g) ?? [];
  const example = (name: string) => name.replace("*", "x").replace(/(?<!\.ts)$/, "/x.ts");
  for (const name of shown) assert(ROOMS.some(({ files }) => files.test(example(name))), name);
  for (const { name, files } of ROOMS) {
    assert(name === "testing" || shown.some((shown) => files.test(example(shown))), name);
  }
});

Deno.test("docs/architecture.md says of every folder of the product what is in it", () => {
  const folders = new Set(sourcePaths.map((path) => path.slice(0, path.lastIndexOf("/") + 1)));
  for (const folder of folders) {
    // What an optional part has inside is its own affair, and so is the embedded broker.
    const top = folder.replace(/^(cli|extras|testing)\/.*/, "$1/");
    assert(top === "" || doc.includes(`| \`${top}\``), top);
  }
});
