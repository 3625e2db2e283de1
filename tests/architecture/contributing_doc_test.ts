import { assert, assertRejects } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { TASKS } from "../../tools/tasks/tasks.ts";
import { ROOT } from "../helpers/source_files.ts";

const doc = await Deno.readTextFile(new URL("CONTRIBUTING.md", ROOT));

Deno.test("CONTRIBUTING.md shows an error message as the library has it", async () => {
  const error = await assertRejects(() => {
    const handlers = { echo: (input: unknown) => input };
    return RpcServer.listen("amqp://127.0.0.1:1", {
      log: false,
      queue: "q",
      handlers,
      prefetch: 0,
    });
  }, RangeError);
  assert(doc.includes(`  ${error.message}\n`), error.message);
});

Deno.test("CONTRIBUTING.md lists every task", () => {
  for (const name of TASKS.keys()) {
    const [group, part] = name.split(":");
    const row = part !== undefined && group === "bench" ? `\`${part}\`: ` : `| \`deno task ${name}`;
    assert(doc.includes(row), name);
  }
});
