import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../../../../deps/std_assert.ts";
import { RpcError } from "../../../../errors.ts";
import {
  type BulkheadOptions,
  type ResilienceEvent,
  withResilience,
} from "../../../../extras/resilience/resilience.ts";
import type { Caller } from "../../../../caller.ts";
import { codeOf, CountingSignal, failure, FakeCaller, typesOf } from "./fake_caller.ts";
import { FakeTime } from "../../../helpers/fake_time.ts";

interface Limited {
  readonly caller: FakeCaller;
  readonly steady: Pick<Caller, "call">;
  readonly events: ResilienceEvent[];
}

/** One call at a time, unless told otherwise; attempts are pending until they are settled. */
function limited(bulkhead: Partial<BulkheadOptions> = {}): Limited {
  const caller = new FakeCaller("pending");
  const events: ResilienceEvent[] = [];
  const steady = withResilience(caller, {
    bulkhead: { maxConcurrent: 1, ...bulkhead },
    onEvent: (event) => void events.push(event),
  });
  return { caller, steady, events };
}

Deno.test("withResilience() refuses calls beyond its places at once", async () => {
  const { caller, steady, events } = limited({ maxConcurrent: 2 });
  const outputs = [steady.call("add", 1), steady.call("add", 2)];
  const error = await assertRejects(() => steady.call("add", 3), RpcError);
  assertStrictEquals(error.code, "overloaded");
  assertStringIncludes(error.message, "2 calls of it are under way");
  assertEquals(typesOf(events), ["bulkhead-full"]);
  for (const attempt of caller.attempts) attempt.settle({ output: attempt.input });
  assertEquals(await Promise.all(outputs), [1, 2]);
});

Deno.test("withResilience() lets waiting calls through in order", async () => {
  using time = new FakeTime();
  const { caller, steady } = limited({ maxQueued: 2 });
  const outputs = [1, 2, 3].map((input) => steady.call("add", input));
  await assertRejects(() => steady.call("add", 4), RpcError, "2 calls wait");
  for (let index = 0; index < 3; index++) {
    await time.settle();
    assertEquals(caller.attempts.map(({ input }) => input), [1, 2, 3].slice(0, index + 1));
    caller.attempts[index]?.settle({ output: index });
  }
  assertEquals(await Promise.all(outputs), [0, 1, 2]);
  assertStrictEquals(time.timers, 0);
});

Deno.test("withResilience() has places for each procedure", async () => {
  using time = new FakeTime();
  const { caller, steady } = limited();
  const outputs = [steady.call("add", 1), steady.call("subtract", 1)];
  await time.settle();
  for (const attempt of caller.attempts) attempt.settle({ output: 7 });
  assertEquals(await Promise.all(outputs), [7, 7]);
});

Deno.test("withResilience() gives the place of a failed call to the next", async () => {
  using time = new FakeTime();
  const { caller, steady } = limited({ maxQueued: 1 });
  const first = steady.call("add", 1).catch((error) => error);
  const second = steady.call("add", 2);
  await time.settle();
  caller.attempts[0]?.settle(failure("timeout"));
  assertStrictEquals(codeOf(await first), "timeout");
  await time.settle();
  caller.attempts[1]?.settle({ output: 7 });
  assertStrictEquals(await second, 7);
});

Deno.test("withResilience() gives up waiting for a place at the deadline", async () => {
  using time = new FakeTime();
  const { caller, steady } = limited({ maxQueued: 1 });
  const first = steady.call("add", 1);
  const second = steady.call("add", 2, { timeoutMs: 50 }).catch((error) => error);
  await time.advance(50);
  assertStrictEquals(codeOf(await second), "overloaded");
  caller.attempts[0]?.settle({ output: 7 });
  assertStrictEquals(await first, 7);
  assertEquals([time.timers, caller.attempts.length], [0, 1]);
});

Deno.test("withResilience() takes the time in the queue from the attempt", async () => {
  using time = new FakeTime();
  const { caller, steady } = limited({ maxQueued: 1 });
  const first = steady.call("add", 1);
  const second = steady.call("add", 2, { timeoutMs: 50 });
  await time.advance(20);
  caller.attempts[0]?.settle({ output: 7 });
  await time.settle();
  assertStrictEquals(caller.attempts[1]?.options.timeoutMs, 30);
  caller.attempts[1]?.settle({ output: 8 });
  assertEquals(await Promise.all([first, second]), [7, 8]);
});

Deno.test("withResilience() frees the waiting place of an aborted call at once", async () => {
  using time = new FakeTime();
  const { caller, steady } = limited({ maxQueued: 1 });
  const first = steady.call("add", 1);
  const counting = new CountingSignal();
  const { signal } = counting.controller;
  const second = steady.call("add", 2, { signal }).catch((error) => error);
  await time.settle();
  counting.controller.abort(new Error("Changed my mind"));
  assertStrictEquals(await second, signal.reason);
  assertEquals([time.timers, counting.listeners], [0, 0]);
  const third = steady.call("add", 3);
  caller.attempts[0]?.settle({ output: 7 });
  await time.settle();
  caller.attempts[1]?.settle({ output: 9 });
  assertEquals(await Promise.all([first, third]), [7, 9]);
});

Deno.test("withResilience() keeps its place between attempts", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("overloaded"), { output: 7 });
  const steady = withResilience(caller, { bulkhead: { maxConcurrent: 1 }, retry: {} });
  const output = steady.call("add", 1);
  await time.settle();
  await assertRejects(() => steady.call("add", 2), RpcError, "under way");
  await time.advance(1_000);
  assertStrictEquals(await output, 7);
  assertStrictEquals(caller.attempts.length, 2);
});

Deno.test("withResilience() does not queue for a circuit that is open", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"));
  const steady = withResilience(caller, {
    bulkhead: { maxConcurrent: 1, maxQueued: 5 },
    breaker: { minCalls: 1 },
  });
  await steady.call("add", 1).catch(() => {});
  const error = await steady.call("add", 2).catch((error) => error);
  assertStrictEquals(codeOf(error), "circuit-open");
  assertStrictEquals(time.timers, 0);
});

Deno.test("withResilience() refuses bulkhead options that are out of bounds", () => {
  for (const bulkhead of [{ maxConcurrent: 0 }, { maxConcurrent: 1, maxQueued: -1 }]) {
    assertThrows(() => withResilience(new FakeCaller("pending"), { bulkhead }), RangeError);
  }
});
