import { assertEquals } from "../../../deps/std_assert.ts";
import { intakeTimeoutMs } from "../../../internal/serving/intake.ts";

const MAX_MS = 2 ** 31 - 1;

Deno.test("intakeTimeoutMs() is enough for all requests in hand, one after the other", () => {
  assertEquals(intakeTimeoutMs(600_000, 32), 19_200_000);
  assertEquals(intakeTimeoutMs(MAX_MS, 2_000), MAX_MS);
});

Deno.test("intakeTimeoutMs() is no shorter than RabbitMQ's own", () => {
  assertEquals(intakeTimeoutMs(1_000, 32), 1_800_000);
});

Deno.test("intakeTimeoutMs() has the highest for work without a limit", () => {
  assertEquals(intakeTimeoutMs(undefined, 16), MAX_MS);
});
