import { assertEquals, assertGreater } from "../../../deps/std_assert.ts";
import { docPages, sourcePaths, textOf } from "../../helpers/source_files.ts";

const PROGRAM_REGEXP = /```ts[^\n]*\n(.*?)```/gs;

function programsIn(texts: readonly string[]): string[] {
  return texts.flatMap((text) => [...text.matchAll(PROGRAM_REGEXP)].map(([, code = ""]) => code));
}

Deno.test("Programs in docs that only serve go on serving", () => {
  const programs = programsIn([...docPages, ...sourcePaths].map(textOf));
  const servers = programs.filter((code) => code.includes("RpcServer.listen("));
  assertGreater(servers.length, 5);
  // At the end of a program, what it disposes of is closed.
  const ended = servers.filter((code) =>
    /await using \w+ = await RpcServer\.listen\(/.test(code) && !/RpcClient|\.call\(/.test(code)
  );
  assertEquals(ended, []);
});
