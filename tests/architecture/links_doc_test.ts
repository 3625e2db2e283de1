import config from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { markdownFiles } from "../../tools/tasks/package_files.ts";
import { docPages, ROOT } from "../helpers/source_files.ts";

const pages = new Map<string, string>();
for (const path of [...await markdownFiles(), "examples/README.md"]) {
  const url = new URL(path, ROOT);
  pages.set(url.href, await Deno.readTextFile(url));
}

/** The text of a page without what it shows as code. */
function prose(text: string): string {
  return text.replaceAll(/^```.*?^```/gms, "").replaceAll(/`[^`\n]*`/g, "");
}

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm);
  return new Set([...headings].map(([, heading = ""]) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    return plain.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
  }));
}

/** What a link leads to, if nothing is there. */
async function deadEnd(target: string, page: string): Promise<string | undefined> {
  const url = new URL(target, page);
  const anchor = url.hash.slice(1);
  url.hash = "";
  const exists = await Deno.stat(url).then(() => true, () => false);
  if (!exists) return target;
  const text = pages.get(url.href);
  return anchor === "" || text === undefined || anchorsOf(text).has(anchor) ? undefined : target;
}

Deno.test("No link of the documentation is dead", async () => {
  let count = 0;
  const dead: string[] = [];
  for (const [page, text] of pages) {
    for (const [, target = ""] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https:/.test(target)) continue;
      count++;
      const found = await deadEnd(target, page);
      if (found !== undefined) dead.push(`${page}: ${found}`);
    }
  }
  assert(count > 100);
  assertEquals(dead, []);
});

Deno.test("docs/README.md leads to every page of docs", () => {
  const index = pages.get(new URL("docs/README.md", ROOT).href) ?? "";
  for (const page of docPages) {
    const [, name] = /^docs\/(.+)$/.exec(page) ?? [];
    if (name === undefined || name === "README.md") continue;
    assert(index.includes(`](${name}`), name);
  }
});

Deno.test("docs/README.md lists every entry of the package with its file", () => {
  const index = pages.get(new URL("docs/README.md", ROOT).href) ?? "";
  const listed = [...index.matchAll(/^\| `@warren\/rpc(\/?[\w/-]*)` +\| `([\w/.]+)` /gm)];
  const entries = listed.map(([, entry = "", file = ""]) => [`.${entry}`, `./${file}`]);
  assertEquals(Object.fromEntries(entries), config.exports);
});
