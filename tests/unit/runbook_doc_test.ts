import { assert, assertEquals } from "../../deps/std_assert.ts";
import { ROOT } from "../helpers/source_files.ts";

const page = await Deno.readTextFile(new URL("docs/operate.md", ROOT));

/** The first cells of the rows between two headings. */
function namesIn(heading: string): string[] {
  const [, part = ""] = page.split(`\n${heading}\n`);
  const [section = ""] = part.split(/\n#{2,3} /);
  const cells = section.split("\n").map((line) => line.split("|")[1] ?? "");
  return cells.flatMap((cell) => cell.includes("`code`") ? [] : [...cell.matchAll(/`([^`]+)`/g)])
    .map(([, name = ""]) => name);
}

/** The texts that a pattern finds in a file. */
async function found(path: string, pattern: RegExp): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(path, ROOT));
  return [...text.matchAll(pattern)].map(([, name = ""]) => name);
}

async function codes(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("errors.ts", ROOT));
  const [, union = ""] = /export type KnownErrorCode =\n([^;]+);/.exec(text) ?? [];
  return [...union.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name);
}

Deno.test("The runbook of docs/operate.md has a row for every error code", async () => {
  const known = await codes();
  assert(known.length > 30);
  assertEquals(namesIn("### By error").toSorted(), known.toSorted());
});

Deno.test("The runbook has a row for every event of clients, servers and pools", async () => {
  const types = /readonly type: "([^"]+)"/g;
  const events = await found("options/events.ts", types);
  const ofPools = await found("workers/pool/pool_events.ts", types);
  assert(events.length > 20 && ofPools.length > 5);
  const known = [...new Set(events), ...new Set(ofPools)];
  assertEquals(namesIn("### By event").toSorted(), known.toSorted());
});

Deno.test("The runbook names commands and options of warren that there are", async () => {
  const [, runbook = ""] = page.split("\n## Runbook\n");
  const [, reference = ""] = (await Deno.readTextFile(new URL("docs/cli.md", ROOT)))
    .split("\n## Commands\n");
  const named = [...runbook.matchAll(/`warren ((?:parked )?[a-z]+)\b([^`]*)`/g)];
  assert(named.length > 40);
  for (const [text, command = "", rest = ""] of named) {
    const [, section] = reference.split(`\n### warren ${command}\n`);
    assert(section !== undefined, text);
    const [help = ""] = section.split(/\n### /);
    for (const [option] of rest.matchAll(/(?<![\w-])--?[a-z][a-z-]*/g)) {
      const isThere = help.includes(option) || COMMON.includes(option);
      assert(isThere, `${text}: there is no ${option}`);
    }
  }
});

/** Of every command: they are told once. */
const COMMON = ["-j"];
