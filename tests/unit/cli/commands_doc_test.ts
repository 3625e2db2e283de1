import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { COMMANDS_PAGE, withCommands } from "../../../tools/pages/commands_page.ts";

const page = await Deno.readTextFile(COMMANDS_PAGE);

Deno.test("docs/cli.md has every command and option as the help texts do", async () => {
  const wanted = await withCommands(page);
  assert(wanted.split("\n### warren ").length > 25);
  assertEquals(page, wanted, "deno task docs:cli makes it anew");
});

Deno.test("docs/cli.md lists every command above, and no other", () => {
  const [above = "", below = ""] = page.split("\n## Commands\n");
  const rows = above.split("\n").filter((line) => line.startsWith("| `warren "));
  const cells = rows.map((row) => row.replaceAll("\\|", "/").split("|")[1] ?? "");
  const listed = cells.flatMap((cell) =>
    [...cell.matchAll(/`(?:warren )?(parked [\w/]+|[a-z]+)\b/g)].flatMap(([, name = ""]) => {
      const [group = "", verbs] = name.split(" ");
      return verbs === undefined ? [group] : verbs.split("/").map((verb) => `${group} ${verb}`);
    })
  );
  const told = [...below.matchAll(/^### warren (.+)$/gm)].map(([, name = ""]) => name);
  assertEquals([...new Set(listed)].toSorted(), told.toSorted());
});
