import { outagesAfter } from "../../../chaos/checking/outages.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

Deno.test("outagesAfter() finds the longest gap after each fault", () => {
  const successes = [0, 10, 20, 120, 130, 140, 390, 400];
  assertEquals(outagesAfter(successes, [25, 145]), [100, 250]);
});

Deno.test("outagesAfter() finds a gap that begins some time after its fault", () => {
  assertEquals(outagesAfter([0, 10, 20, 30, 530, 540], [5]), [500]);
});

Deno.test("outagesAfter() leaves gaps to the fault that they follow", () => {
  assertEquals(outagesAfter([0, 10, 60, 70, 80, 1_080], [5, 75]), [50, 1_000]);
});

Deno.test("outagesAfter() divides an outage between the faults within it", () => {
  assertEquals(outagesAfter([0, 10, 510, 520], [15, 100]), [90, 500]);
});

Deno.test("outagesAfter() finds no end where nothing got through", () => {
  assertEquals(outagesAfter([0, 10], [15]), [Infinity]);
  assertEquals(outagesAfter([], [15]), [Infinity]);
});
