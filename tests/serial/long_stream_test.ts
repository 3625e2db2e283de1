import { assertEquals, assertLess } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";

const ITEMS = 100_000;

/** A leak of 64 bytes for each item would be more. */
const MAX_GROWTH_BYTES = 5_000_000;

Deno.test(`A stream of ${ITEMS} items arrives whole, in bounded memory`, async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const { code, stdout, stderr } = await runChild(
    new URL("../fixtures/long_stream.ts", import.meta.url),
    {
      flags: ["--v8-flags=--expose-gc"],
      args: [brokerUrl(), queue, `${ITEMS}`],
      limitMs: 120_000,
    },
  );
  assertEquals([code, stderr], [0, ""]);
  const { items, growthBytes } = JSON.parse(stdout);
  assertEquals(items, ITEMS);
  assertLess(growthBytes, MAX_GROWTH_BYTES);
});
