import { assert, assertEquals, assertLess } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";

const CALLS = 100_000;
const KINDS = 7;
const SEED = Deno.env.get("FUZZ_SEED") ?? "20261121";

/** A leak of 64 bytes for each call would be more. */
const MAX_GROWTH_BYTES = 5_000_000;

Deno.test(`${CALLS} calls of all kinds settle once, with the right reason`, async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const { code, stdout, stderr } = await runChild(
    new URL("../fixtures/mixed_calls.ts", import.meta.url),
    {
      flags: ["--v8-flags=--expose-gc"],
      args: [brokerUrl(), queue, `${CALLS}`, SEED],
      limitMs: 300_000,
    },
  );
  assertEquals([code, stderr], [0, ""]);
  const { ends, growthBytes, ...rest } = JSON.parse(stdout);
  const left = { pending: [0, 0, 0], listeners: 0, timers: 0, active: 0 };
  assertEquals(rest, { settledOnce: CALLS, ...left });
  for (const [end, count] of Object.entries<number>(ends)) {
    const [expected, actual] = end.split(": ");
    // Which of the two clocks is first, the client's or the broker's, is chance.
    assert(actual === expected || end === "timeout: expired", `${count} of ${end}`);
    if (actual !== "expired") assert(count > CALLS / KINDS / 2, `only ${count} of ${end}`);
  }
  assertLess(growthBytes, MAX_GROWTH_BYTES);
});
