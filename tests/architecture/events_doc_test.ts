import { assert, assertEquals } from "../../deps/std_assert.ts";
import { ROOT, textOf } from "../helpers/source_files.ts";

const doc = await Deno.readTextFile(new URL("docs/events.md", ROOT));

/** The types of events that a file declares. */
function typesOf(path: string): string[] {
  return [...textOf(path).matchAll(/readonly type: "([\w-]+)"/g)].map(([, type = ""]) => type);
}

Deno.test("docs/events.md has a row for every event, and no other", () => {
  const types = [...typesOf("options/events.ts"), ...typesOf("workers/pool/pool_events.ts")];
  const rows = [...doc.matchAll(/^\| `([\w-]+)` /gm)].map(([, type = ""]) => type);
  assert(types.length > 25);
  assertEquals([...new Set(rows)].toSorted(), [...new Set(types)].toSorted());
});
