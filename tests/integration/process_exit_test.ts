import { assertEquals } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";

Deno.test("A process ends by itself once clients and servers are closed", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const module = new URL("../fixtures/close_all.ts", import.meta.url);
  const child = await runChild(module, { args: [brokerUrl(), queue], limitMs: 15_000 });
  assertEquals(child, { code: 0, stdout: "closed\n", stderr: "" });
});
