import { assert, assertEquals, assertMatch } from "../../deps/std_assert.ts";
import { newId } from "../../internal/text.ts";

const UUID_V7_REGEXP = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

Deno.test("newId() makes UUIDs of version 7 that differ", () => {
  const ids = Array.from({ length: 10_000 }, newId);
  for (const id of ids) assertMatch(id, UUID_V7_REGEXP);
  assertEquals(new Set(ids).size, ids.length);
  // Nor do those parts stand still that are not the time.
  assertEquals(new Set(ids.map((id) => id.slice(-12))).size, ids.length);
  assert(new Set(ids.map((id) => id.slice(15, 18))).size > 1_000);
});

Deno.test("newId() begins with the time, in milliseconds", () => {
  const before = Date.now();
  const time = Number.parseInt(newId().replace("-", "").slice(0, 12), 16);
  assert(before <= time && time <= Date.now());
});
