import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { warren } from "../../helpers/warren.ts";

const doc = await Deno.readTextFile(new URL("../../../docs/cli.md", import.meta.url));

/** A command that needs no broker. */
async function namesAfter(...words: readonly string[]): Promise<string[]> {
  const { code, stdout } = await warren(["complete", "--", ...words, ""], "amqp://127.0.0.1:1");
  assertEquals(code, 0);
  const names = stdout.split("\n").map((line) => line.split("\t")[0] ?? "");
  return names.filter((name) => name !== "" && name !== "help");
}

Deno.test("docs/cli.md has every command, and no other", async () => {
  const rows = doc.split("\n").filter((line) => line.startsWith("| `warren "));
  const cells = rows.map((row) => row.replaceAll("\\|", "/").split("|")[1] ?? "");
  const documented = cells.flatMap((cell) =>
    [...cell.matchAll(/`(?:warren )?(parked [\w/]+|[a-z]+)\b/g)].flatMap(([, name = ""]) => {
      const [group = "", verbs] = name.split(" ");
      return verbs === undefined ? [group] : verbs.split("/").map((verb) => `${group} ${verb}`);
    })
  );
  const commands = await namesAfter();
  const parked = (await namesAfter("parked")).map((name) => `parked ${name}`);
  assert(commands.length > 20 && parked.length > 4);
  const expected = [...commands.filter((name) => name !== "parked"), ...parked];
  assertEquals([...new Set(documented)].toSorted(), expected.toSorted());
});
