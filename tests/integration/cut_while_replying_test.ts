import { assertEquals } from "../../deps/std_assert.ts";
import { runChild } from "../helpers/child.ts";

Deno.test("RpcServer heals when it is cut off with a reply on its way", async () => {
  // In a process of its own: a server that tries again without a pause would stop the tests, too.
  const module = new URL("../fixtures/cut_while_replying.ts", import.meta.url);
  const child = await runChild(module, { limitMs: 15_000 });
  assertEquals(child, { code: 0, stdout: "replied\n", stderr: "" });
});
