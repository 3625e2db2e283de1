import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { formatDuration, parseDuration } from "../../../cli/duration.ts";

Deno.test("parseDuration() reads times as people write them", () => {
  const times = { "250ms": 250, "1.5s": 1_500, "2m": 120_000, "1h": 3_600_000, "7d": 604_800_000 };
  for (const [text, ms] of Object.entries(times)) assertEquals(parseDuration(text), ms, text);
  for (const text of ["", "5", "s", "-1s", "0s", "1 s", "1w", "1e3s"]) {
    assertThrows(() => parseDuration(text), Error, "It must be a time");
  }
});

Deno.test("formatDuration() writes no 60 seconds, minutes or 24 hours too many", () => {
  const times = {
    "0.5 ms": 0.5,
    "12 ms": 12,
    "59.9 s": 59_900,
    "1 m 59 s": 119_999,
    "59 m 59 s": 3_599_999,
    "47 h 59 m": 172_799_999,
    "7 d 1 h": 608_400_000,
  };
  for (const [text, ms] of Object.entries(times)) assertEquals(formatDuration(ms), text);
});
