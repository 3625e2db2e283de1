import { assertEquals } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";

Deno.test("10,000 calls at once settle right and leave nothing behind", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const { code, stdout, stderr } = await runChild(
    new URL("../fixtures/many_calls.ts", import.meta.url),
    { args: [brokerUrl(), queue, "10000"], limitMs: 60_000 },
  );
  assertEquals([code, stderr], [0, ""]);
  assertEquals(JSON.parse(stdout), {
    right: 10_000,
    pending: 0,
    stats: { pending: 0, waiting: 0, lateReplies: 0, duplicateReplies: 0, unknownReplies: 0 },
    succeeded: 10_000,
    active: 0,
    most: 10_000,
    listeners: 0,
  });
});
