import { assertEquals, assertLess } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";

const NAMES = 10_000;

/** The names alone, if something kept them, would be twice as much. */
const MAX_GROWTH_BYTES = 1_000_000;

Deno.test(`${NAMES} names of procedures that there are not add no time series and no memory`, async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const { code, stdout, stderr } = await runChild(
    new URL("../fixtures/unknown_names.ts", import.meta.url),
    {
      flags: ["--v8-flags=--expose-gc"],
      args: [brokerUrl(), queue, `${NAMES}`],
      limitMs: 300_000,
    },
  );
  assertEquals([code, stderr], [0, ""]);
  const { growthBytes, ...rest } = JSON.parse(stdout);
  assertEquals(rest, { failed: 2 * NAMES, moreLines: 0, isNamed: false });
  assertLess(growthBytes, MAX_GROWTH_BYTES);
});
