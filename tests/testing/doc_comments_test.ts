import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { ROOT, sourcePaths, textOf } from "../helpers/source_files.ts";

const EXAMPLE_REGEXP = /^ +\* ```ts *$/m;

/** It is a worker file, which no test may load. */
const EXCEPT = "workers/fibonacci.ts";

Deno.test("The examples of doc comments that need no broker do what they say", async () => {
  const paths = sourcePaths.filter((path) => EXAMPLE_REGEXP.test(textOf(path)));
  const modules = paths.filter((path) => path !== EXCEPT);
  assert(modules.length > 10);
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--doc", "--no-check", "--parallel", ...modules],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const output = `${decoder.decode(stdout)}${decoder.decode(stderr)}`;
  assertEquals(code, 0, output);
  const [, passed] = /(\d+) passed/.exec(output) ?? [];
  assert(Number(passed) >= modules.length, output);
  assertMatch(output, /\| 0 failed/);
});
