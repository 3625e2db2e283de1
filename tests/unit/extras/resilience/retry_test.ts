import { fc } from "../../../../deps/fast_check.ts";
import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../../../../deps/std_assert.ts";
import type { RpcClient } from "../../../../client.ts";
import { RpcError } from "../../../../errors.ts";
import {
  type ResilienceEvent,
  type RetryOptions,
  withResilience,
} from "../../../../extras/resilience/resilience.ts";
import type { Caller } from "../../../../caller.ts";
import {
  type Answer,
  codeOf,
  CountingSignal,
  failure,
  FakeCaller,
  remoteFailure,
  typesOf,
} from "./fake_caller.ts";
import { FakeTime } from "../../../helpers/fake_time.ts";

const ok: Answer = { output: 7 };

function retrying(
  caller: FakeCaller,
  retry: RetryOptions = {},
): { readonly steady: Pick<Caller, "call">; readonly events: ResilienceEvent[] } {
  const events: ResilienceEvent[] = [];
  const onEvent = (event: ResilienceEvent) => void events.push(event);
  return { steady: withResilience(caller, { retry, onEvent }), events };
}

/** Calls once, with all the time that it needs. */
async function attemptsAfter(answer: Answer, options = {}): Promise<number> {
  using time = new FakeTime();
  const caller = new FakeCaller(answer, ok);
  const outcome = retrying(caller).steady.call("add", 1, options).catch(() => {});
  await time.advance(10_000);
  await outcome;
  return caller.attempts.length;
}

Deno.test("withResilience() changes nothing unless it is asked to", async () => {
  const caller = new FakeCaller(failure("overloaded"), ok);
  await assertRejects(() => withResilience(caller, {}).call("add", 1), RpcError, "overloaded");
  assertStrictEquals(caller.attempts[0]?.options.idempotencyKey, undefined);
});

const retriedCodes = [
  ...["expired", "queue-full", "no-capacity", "overloaded", "unreachable", "unroutable"],
  ...["disconnected", "timeout", "worker-crashed"],
];

for (const code of retriedCodes) {
  Deno.test(`withResilience() tries a call again after ${code}`, async () => {
    assertStrictEquals(await attemptsAfter(failure(code)), 2);
  });
}

for (const code of ["unencodable", "too-large", "closed", "cancelled", "delivery-limit", "own"]) {
  Deno.test(`withResilience() does not try a call again after ${code}`, async () => {
    assertStrictEquals(await attemptsAfter(failure(code)), 1);
  });
}

Deno.test("withResilience() believes an error reply that says it is retryable", async () => {
  assertStrictEquals(await attemptsAfter(remoteFailure("busy", true)), 2);
  assertStrictEquals(await attemptsAfter(remoteFailure("busy", false)), 1);
  assertStrictEquals(await attemptsAfter(remoteFailure("overloaded", false)), 1);
});

Deno.test("withResilience() believes registered errors that say they are retryable", async () => {
  const busy = Object.assign(new Error("Busy"), { retryable: true });
  assertStrictEquals(await attemptsAfter({ error: busy }), 2);
  assertStrictEquals(await attemptsAfter({ error: new Error("Broken") }), 1);
});

Deno.test("withResilience() does not try misuse again", async () => {
  assertStrictEquals(await attemptsAfter({ error: new TypeError("No name") }), 1);
  assertStrictEquals(await attemptsAfter({ error: new RangeError("Too long") }), 1);
});

Deno.test("withResilience() runs what is not idempotent once at most", async () => {
  const once = { idempotent: false };
  assertStrictEquals(await attemptsAfter(failure("timeout"), once), 1);
  assertStrictEquals(await attemptsAfter(failure("disconnected"), once), 1);
  assertStrictEquals(await attemptsAfter(remoteFailure("worker-crashed", true), once), 1);
  assertStrictEquals(await attemptsAfter(failure("unroutable"), once), 2);
});

Deno.test("withResilience() rejects with the last error after maxAttempts", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("overloaded"), failure("overloaded"), failure("timeout"));
  const { steady, events } = retrying(caller, { maxAttempts: 3 });
  const error = steady.call("add", 1).catch((error) => error);
  await time.advance(10_000);
  assertStrictEquals(codeOf(await error), "timeout");
  assertStrictEquals(caller.attempts.length, 3);
  assertEquals(typesOf(events), ["retrying", "retrying", "retries-exhausted"]);
  assertStrictEquals(time.timers, 0);
});

Deno.test("withResilience() doubles its pauses up to the bound", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("overloaded"));
  const retry = { maxAttempts: 5, firstDelayMs: 100, maxDelayMs: 300, maxTokens: 100 };
  const outcome = retrying(caller, retry).steady.call("add", 1).catch(() => {});
  await time.advance(10_000);
  await outcome;
  const [first = 0, ...later] = caller.attempts.map(({ at }) => at);
  assertEquals(later.map((at) => at - first), [50, 150, 300, 450]);
});

Deno.test("withResilience() gives all attempts one key, and calls different ones", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("overloaded"), ok, failure("overloaded"), ok);
  const { steady } = retrying(caller);
  for (let calls = 0; calls < 2; calls++) {
    const output = steady.call("add", 1);
    await time.advance(1_000);
    await output;
  }
  const [first, again, second] = caller.attempts.map(({ options }) => options.idempotencyKey);
  assert(first !== undefined);
  assertStrictEquals(first, again);
  assertNotEquals(first, second);
});

Deno.test("withResilience() keeps the key and other options of a call", async () => {
  using _time = new FakeTime();
  const caller = new FakeCaller(ok);
  const options = { idempotencyKey: "order-1", idempotent: false, immediate: true };
  await retrying(caller).steady.call("add", 1, options);
  assertEquals(caller.attempts[0]?.options, { ...options, timeoutMs: 30_000 });
});

Deno.test("withResilience() gives each attempt what is left of the time", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller("pending", ok);
  const output = retrying(caller).steady.call("add", 1, { timeoutMs: 1_000 });
  await time.advance(600);
  caller.attempts[0]?.settle(failure("disconnected"));
  await time.advance(50);
  assertStrictEquals(await output, 7);
  assertEquals(caller.attempts.map(({ options }) => options.timeoutMs), [1_000, 350]);
});

Deno.test("withResilience() bounds the time of one attempt by attemptTimeoutMs", async () => {
  const caller = new FakeCaller(ok);
  const { steady } = retrying(caller, { attemptTimeoutMs: 40 });
  await steady.call("add", 1, { timeoutMs: 1_000 });
  await steady.call("add", 1, { timeoutMs: 30 });
  assertEquals(caller.attempts.map(({ options }) => options.timeoutMs), [40, 30]);
});

Deno.test("withResilience() does not pause beyond the deadline", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("overloaded"));
  const { steady, events } = retrying(caller, { firstDelayMs: 500 });
  await assertRejects(() => steady.call("add", 1, { timeoutMs: 200 }), RpcError, "overloaded");
  const [event] = events;
  assert(event?.type === "retries-exhausted");
  assertStrictEquals(event.reason, "deadline");
  assertStrictEquals(time.timers, 0);
});

Deno.test("withResilience() inherits the deadline of the call that it serves", async () => {
  using _time = new FakeTime();
  const caller = new FakeCaller(ok);
  const context = { deadline: Date.now() + 70, signal: new AbortController().signal };
  await retrying(caller).steady.call("add", 1, { context });
  assertStrictEquals(caller.attempts[0]?.options.timeoutMs, 70);
});

Deno.test("withResilience() rejects at once when a pause is aborted", async () => {
  using time = new FakeTime();
  const counting = new CountingSignal();
  const { controller } = counting;
  const caller = new FakeCaller(failure("overloaded"));
  const error = retrying(caller).steady.call("add", 1, { signal: controller.signal })
    .catch((error) => error);
  await time.settle();
  assertStrictEquals(time.timers, 1);
  const reason = new Error("Changed my mind");
  controller.abort(reason);
  assertStrictEquals(await error, reason);
  assertEquals([time.timers, counting.listeners, caller.attempts.length], [0, 0, 1]);
});

Deno.test("withResilience() does not try again what was aborted", async () => {
  using time = new FakeTime();
  const counting = new CountingSignal();
  const { controller } = counting;
  const caller = new FakeCaller("pending");
  const error = retrying(caller).steady.call("add", 1, { signal: controller.signal })
    .catch((error) => error);
  await time.settle();
  controller.abort(failure("overloaded").error);
  assertStrictEquals(codeOf(await error), "overloaded");
  assertEquals([time.timers, counting.listeners, caller.attempts.length], [0, 0, 1]);
});

Deno.test("withResilience() makes no attempt for a signal that is aborted", async () => {
  const caller = new FakeCaller(ok);
  const signal = AbortSignal.abort(new Error("Too late"));
  await assertRejects(() => retrying(caller).steady.call("add", 1, { signal }), Error, "Too late");
  assertStrictEquals(caller.attempts.length, 0);
});

Deno.test("withResilience() leaves no listener on a signal", async () => {
  using time = new FakeTime();
  const counting = new CountingSignal();
  const caller = new FakeCaller(failure("overloaded"), failure("timeout"), ok);
  const { signal } = counting.controller;
  const output = retrying(caller).steady.call("add", 1, { signal });
  await time.advance(1_000);
  assertStrictEquals(await output, 7);
  assertEquals([time.timers, counting.listeners], [0, 0]);
});

Deno.test("withResilience() stops retrying when its budget is half empty", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("overloaded"));
  const { steady, events } = retrying(caller, { maxTokens: 4 });
  for (let calls = 0; calls < 5; calls++) {
    const outcome = steady.call("add", 1).catch(() => {});
    await time.advance(10_000);
    await outcome;
  }
  // Tokens 4 to 3 allow one retry; at 2 and below there is none.
  assertStrictEquals(caller.attempts.length, 6);
  const last = events.at(-1);
  assert(last?.type === "retries-exhausted");
  assertStrictEquals(last.reason, "budget");
});

Deno.test("withResilience() never makes more attempts than its budget allows", async () => {
  const successes = fc.array(fc.array(fc.boolean(), { maxLength: 6 }), { maxLength: 60 });
  const budgets = fc.record({
    maxTokens: fc.integer({ min: 1, max: 20 }),
    tokenRatio: fc.double({ min: 0.01, max: 2, noNaN: true }),
    maxAttempts: fc.integer({ min: 1, max: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(budgets, successes, async (budget, calls) => {
      using time = new FakeTime();
      const caller = new FakeCaller(ok);
      const { steady } = retrying(caller, { ...budget, firstDelayMs: 0 });
      let succeeded = 0;
      for (const outcomes of calls) {
        const before = caller.attempts.length;
        const answers = outcomes.map((isOk) => isOk ? ok : failure("overloaded"));
        caller.answers = [...new Array<Answer>(before).fill(ok), ...answers, ok];
        const outcome = steady.call("add", 1).then(() => succeeded++, () => {});
        await time.advance(1);
        await outcome;
        assertLessOrEqual(caller.attempts.length - before, budget.maxAttempts);
      }
      const retries = caller.attempts.length - calls.length;
      assertLessOrEqual(retries, budget.maxTokens / 2 + succeeded * budget.tokenRatio + 1e-6);
      assertStrictEquals(time.timers, 0);
    }),
    { numRuns: 300 },
  );
});

Deno.test("withResilience() survives an observer that throws", async () => {
  const caller = new FakeCaller(failure("overloaded"), ok);
  const onEvent = () => {
    throw new Error("Observer");
  };
  const steady = withResilience(caller, { retry: { firstDelayMs: 0 }, onEvent });
  assertStrictEquals(await steady.call("add", 1), 7);
});

Deno.test("withResilience() refuses numbers that are out of bounds", () => {
  const caller = new FakeCaller(ok);
  const wrong: RetryOptions[] = [
    { maxAttempts: 0 },
    { maxAttempts: 1.5 },
    { firstDelayMs: -1 },
    { maxDelayMs: NaN },
    { attemptTimeoutMs: 0 },
    { maxTokens: 0 },
    { tokenRatio: 0 },
  ];
  for (const retry of wrong) assertThrows(() => withResilience(caller, { retry }), RangeError);
  assertThrows(() => withResilience(caller, { timeoutMs: 2 ** 31 }), RangeError);
});

Deno.test("withResilience() refuses a timeout that is out of bounds", async () => {
  const steady = withResilience(new FakeCaller(ok), {});
  await assertRejects(() => steady.call("add", 1, { timeoutMs: 0 }), RangeError);
});

/** Never run: what compiles here, and what does not, is the test. */
export function checkTypes(client: RpcClient<{ add: (input: { a: number }) => number }>): void {
  const steady = withResilience(withResilience(client, {}), {});
  const output: Promise<number> = steady.call("add", { a: 1 }, { timeoutMs: 5 });
  // @ts-expect-error The input has a number.
  steady.call("add", { a: "1" });
  // @ts-expect-error There is no such procedure.
  steady.call("subtract", { a: 1 });
  // @ts-expect-error The output is a number.
  const text: Promise<string> = output;
  void text;
}
