import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals, assertFalse, assertRejects } from "../../deps/std_assert.ts";
import {
  abortable,
  backoffMs,
  CLOCK_TOLERANCE_MS,
  DeadlineTimer,
  isExpired,
  MAX_TIMEOUT_MS,
  sleep,
  TimeLimitError,
  waitAtMost,
  withTimeout,
} from "../../internal/time.ts";

const bounds = fc.record({
  minMs: fc.nat({ max: 500 }),
  firstMs: fc.integer({ min: 1, max: 5_000 }),
  maxMs: fc.integer({ min: 500, max: 60_000 }),
});

Deno.test("backoffMs() stays between its bounds at every attempt", () => {
  fc.assert(fc.property(bounds, fc.integer({ min: 1, max: 10_000 }), (options, attempt) => {
    const delayMs = backoffMs(attempt, options);
    assert(Number.isInteger(delayMs));
    assert(delayMs >= options.minMs && delayMs <= Math.max(options.minMs, options.maxMs));
  }));
});

Deno.test("backoffMs() doubles the bound of the delay with each attempt", () => {
  const options = { firstMs: 400, maxMs: 5_000, minMs: 100 };
  const mostOf = (attempt: number) =>
    Math.max(...Array.from({ length: 2_000 }, () => backoffMs(attempt, options)));
  for (const [attempt, bound] of [[1, 400], [2, 800], [3, 1_600], [5, 5_000]] as const) {
    const most = mostOf(attempt);
    assert(most <= bound && most > bound * 0.9, `Attempt ${attempt} waits up to ${most} ms`);
  }
});

Deno.test("backoffMs() differs from one client to the next", () => {
  const options = { firstMs: 1_000, maxMs: 5_000, minMs: 0 };
  const delays = new Set(Array.from({ length: 50 }, () => backoffMs(3, options)));
  assert(delays.size > 25);
  assertEquals(backoffMs(9, { firstMs: 50, maxMs: 50, minMs: 50 }), 50);
});

/** What settles after the timers that were due by now. */
function turn(): Promise<string> {
  return sleep(5).then(() => "settled");
}

Deno.test("No wait is over at once that is longer than a timer can be", async () => {
  for (const ms of [MAX_TIMEOUT_MS + 1, 2 ** 40, Infinity]) {
    assert(await waitAtMost(ms, turn()), `waitAtMost(${ms})`);
    assertEquals(await withTimeout(ms, turn), "settled");
    const sleeper = new AbortController();
    const asleep = sleep(ms, sleeper.signal).then(() => "awake");
    assertEquals(await Promise.race([asleep, turn()]), "settled");
    sleeper.abort();
    await asleep;
    let isDue = false;
    const timer = new DeadlineTimer(() => {
      isDue = true;
      return undefined;
    });
    timer.schedule(performance.now() + Math.min(ms, Number.MAX_VALUE));
    await turn();
    assertFalse(isDue);
    timer.stop();
  }
});

Deno.test("waitAtMost() tells whether the promise settled, and never rejects", async () => {
  assert(await waitAtMost(1_000, Promise.resolve()));
  assert(await waitAtMost(1_000, Promise.reject(new Error("failed"))));
  assertFalse(await waitAtMost(1, new Promise(() => {})));
});

Deno.test("withTimeout() aborts what it started when time is up", async () => {
  const reasons: unknown[] = [];
  const error = await assertRejects(
    () =>
      withTimeout(1, (signal) => {
        signal.addEventListener("abort", () => reasons.push(signal.reason));
        return new Promise(() => {});
      }),
    TimeLimitError,
    "it is 1 ms",
  );
  assertEquals(reasons, [error]);
});

Deno.test("sleep() does not wait for a signal that has aborted before", async () => {
  const startedAt = performance.now();
  await sleep(5_000, AbortSignal.abort());
  assert(performance.now() - startedAt < 4_000);
});

Deno.test("abortable() rejects with the reason of its signal", async () => {
  const waiting = new AbortController();
  const aborted = abortable(new Promise(() => {}), waiting.signal);
  waiting.abort(new RangeError("no more"));
  await assertRejects(() => aborted, RangeError, "no more");
  assertEquals(await abortable(turn(), undefined), "settled");
});

Deno.test("isExpired() tolerates a clock that is 5 seconds off", () => {
  assertFalse(isExpired(undefined));
  for (const leftMs of [4_000, -4_000]) assertFalse(isExpired(Date.now() + leftMs));
  assert(isExpired(Date.now() - CLOCK_TOLERANCE_MS - 5_000));
});
