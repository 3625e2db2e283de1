import { ratioOf } from "../../../bench/cpu/ratio.ts";
import { assert, assertEquals } from "../../../deps/std_assert.ts";

Deno.test("ratioOf() divides within rounds, whatever they differ by", () => {
  const others = [100, 150, 80, 400, 120];
  assertEquals(ratioOf(others.map((value) => value * 1.25), others), {
    ratio: 1.25,
    low: 1.25,
    high: 1.25,
  });
});

Deno.test("ratioOf() is less sure the more the rounds differ", () => {
  const others = Array.from({ length: 30 }, () => 100);
  const narrow = ratioOf(others.map((value, round) => value + round % 3), others);
  const wide = ratioOf(others.map((value, round) => value + 10 * (round % 3)), others);
  assertEquals([narrow.ratio, wide.ratio], [1.01, 1.1]);
  assert(narrow.low <= 1.01 && narrow.high >= 1.01);
  assert(wide.high - wide.low > narrow.high - narrow.low);
});
