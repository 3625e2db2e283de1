import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { backoffMs } from "../../internal/backoff.ts";

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
