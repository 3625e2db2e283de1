import { assert, assertEquals, assertGreater, assertNotEquals } from "../../../deps/std_assert.ts";
import { readPropertiesWithoutHeaders } from "../../../internal/broker/amqplib_inside.ts";
import { PoisonFuzzer } from "../../../tools/raw/poison_fuzz.ts";
import { Random } from "../../../tools/raw/random.ts";

const BAIT = { replyTo: "amq.gen-bait", correlationId: "id" };

function make(seed: number, count = 2_000) {
  const fuzzer = new PoisonFuzzer(new Random(seed));
  return Array.from({ length: count }, () => fuzzer.next(BAIT));
}

Deno.test("PoisonFuzzer makes the same messages of the same seed", () => {
  assertEquals(make(1), make(1));
  assertNotEquals(make(1, 10), make(2, 10));
});

Deno.test("PoisonFuzzer makes messages that do not expire", () => {
  const read = make(1).map(({ properties }) => readPropertiesWithoutHeaders(properties));
  assert(read.every(({ expiration }) => expiration === undefined));
  // Most are near enough to what they should be to come through.
  const answerable = read.filter(({ replyTo }) => replyTo === BAIT.replyTo);
  assertGreater(answerable.length, read.length / 2);
});
