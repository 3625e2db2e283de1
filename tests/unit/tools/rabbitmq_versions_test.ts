import { assert, assertEquals, assertFalse } from "../../../deps/std_assert.ts";
import { compareVersions, isOfRelease } from "../../../tools/brokers/rabbitmq_versions.ts";

Deno.test("compareVersions() compares numbers, as far as both versions go", () => {
  assert(compareVersions("3.9.1", "3.10") < 0);
  assert(compareVersions("4.0.5", "3.10.8") > 0);
  assertEquals(compareVersions("4.3.6", "4.3"), 0);
  assertEquals(compareVersions("4.3", "4.3.6"), 0);
});

Deno.test("isOfRelease() takes no other release for one that begins like it", () => {
  assert(isOfRelease("4.3.6", "4.3"));
  assertFalse(isOfRelease("3.10.8", "3.1"));
});
