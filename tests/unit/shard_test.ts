import { shardOf } from "../../mod.ts";
import { assert, assertEquals, assertThrows } from "../../deps/std_assert.ts";

const KEYS = Array.from({ length: 8_000 }, (_, index) => `tenant-${index}`);

Deno.test("shardOf() gives each shard about as many keys", () => {
  const counts = Array.from({ length: 8 }, () => 0);
  for (const key of KEYS) {
    const shard = shardOf(key, 8);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  // 1000 on average; four standard deviations are 118.
  for (const count of counts) assert(Math.abs(count - 1_000) < 118, `Uneven: ${counts}`);
});

Deno.test("shardOf() moves keys to a new shard only", () => {
  const moved = KEYS.filter((key) => shardOf(key, 9) !== shardOf(key, 8));
  for (const key of moved) assertEquals(shardOf(key, 9), 8);
  // One of nine, 889 on average; four standard deviations are 112.
  assert(Math.abs(moved.length - 889) < 112, `${moved.length} have moved`);
});

Deno.test("shardOf() never changes its mind between releases", () => {
  const keys = ["", "tenant-7", "Zürich", "a".repeat(1_000)];
  assertEquals(keys.map((key) => shardOf(key, 16)), [3, 13, 6, 15]);
  assertEquals(keys.map((key) => shardOf(key, 1)), [0, 0, 0, 0]);
});

Deno.test("shardOf() refuses what is no key and too many shards", () => {
  assertThrows(() => shardOf(7 as unknown as string, 2), TypeError, '"key" must be a text');
  for (const shards of [0, 1.5, 1_001]) {
    assertThrows(() => shardOf("key", shards), RangeError, '"shards" must be');
  }
});
