import { assert, assertEquals } from "../../deps/std_assert.ts";
import { ROOT, textOf } from "../helpers/source_files.ts";

Deno.test("docs/errors.md has every code", async () => {
  const doc = await Deno.readTextFile(new URL("docs/errors.md", ROOT));
  const union = /export type KnownErrorCode =([^;]+);/.exec(textOf("errors.ts"))?.[1] ?? "";
  const codes = [...union.matchAll(/"([\w-]+)"/g)].map(([, code]) => code);
  assert(codes.length > 20);
  const rows = doc.split("\n").filter((line) => /^\| `Rpc\w*Error`/.test(line)).join("\n");
  assertEquals(codes.filter((code) => !rows.includes(`\`${code}\``)), []);
});
