import { assertEquals } from "../../../deps/std_assert.ts";
import { median, quantile } from "../../../tools/measuring/quantile.ts";

Deno.test("quantile() takes a value that is there", () => {
  assertEquals(quantile([3, 1, 2], 0.5), 2);
  assertEquals(quantile([3, 1, 2], 0), 1);
  assertEquals(quantile([3, 1, 2], 1), 3);
  assertEquals(quantile([], 0.5), NaN);
});

Deno.test("median() of an even number of values is the lower one", () => {
  assertEquals(median([4, 1, 3, 2]), 2);
});
