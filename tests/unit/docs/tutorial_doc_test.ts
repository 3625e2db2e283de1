import { assertEquals, assertGreater } from "../../../deps/std_assert.ts";

const ROOT = new URL("../../../", import.meta.url);

/** A file and the name of a test in it, as docs/tutorial.md writes them. */
const CITATION_REGEXP = /`(tests\/[^`]+_test\.ts)`:\s+`([^`]+)`/g;

async function citations(): Promise<{ readonly file: string; readonly name: string }[]> {
  const text = await Deno.readTextFile(new URL("docs/tutorial.md", ROOT));
  return [...text.matchAll(CITATION_REGEXP)].map(([, file = "", name = ""]) => ({
    file,
    name: name.replaceAll(/\s+/g, " "),
  }));
}

Deno.test("docs/tutorial.md names tests that exist", async () => {
  const missing: string[] = [];
  const cited = await citations();
  for (const { file, name } of cited) {
    const source = await Deno.readTextFile(new URL(file, ROOT)).catch(() => "");
    // A name with a variable part is cited with an ellipsis in its place.
    const names = source.replaceAll(/\$\{[^}]*\}/g, "…");
    if (!names.includes(`"${name}"`) && !names.includes(`\`${name}\``)) {
      missing.push(`${file}: ${name}`);
    }
  }
  assertEquals(missing, []);
  assertGreater(cited.length, 20);
});

Deno.test("docs/tutorial.md names a test on every line that looks so", async () => {
  const text = await Deno.readTextFile(new URL("docs/tutorial.md", ROOT));
  const lines = text.match(/^- `tests\//gm) ?? [];
  assertEquals((await citations()).length, lines.length);
});
