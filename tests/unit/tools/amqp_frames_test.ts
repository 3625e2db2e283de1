import { AmqpFrames, BOGUS_ACK } from "../../../tools/network/amqp_frames.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

const HEADER = new TextEncoder().encode("AMQP\0\0\x09\x01");
/** A heartbeat, and a frame with a payload of 300 bytes. */
const HEARTBEAT = Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0xce);
const LONG = Uint8Array.of(3, 0, 1, 0, 0, 1, 44, ...new Uint8Array(300), 0xce);

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

Deno.test("AmqpFrames is complete after whole frames, however they are cut", () => {
  const stream = concat(HEADER, HEARTBEAT, LONG, HEARTBEAT);
  for (const size of [1, 7, 8, 100, stream.length]) {
    const frames = new AmqpFrames();
    const ends: number[] = [];
    for (let at = 0; at < stream.length; at += size) {
      frames.read(stream.subarray(at, at + size));
      if (frames.isComplete) ends.push(Math.min(at + size, stream.length));
    }
    const all = [8, 16, 324, 332];
    assertEquals(ends, all.filter((end) => end % size === 0 || end === 332), `${size}`);
  }
});

Deno.test("AmqpFrames waits for the end of a frame", () => {
  const frames = new AmqpFrames();
  const given: Uint8Array[] = [];
  frames.read(concat(HEADER, LONG.subarray(0, 20)));
  frames.onceComplete((bytes) => given.push(bytes));
  assertEquals(given, []);
  frames.read(LONG.subarray(20));
  frames.read(HEARTBEAT);
  assertEquals(given, [BOGUS_ACK]);
});

Deno.test("BOGUS_ACK is a whole frame", () => {
  const frames = new AmqpFrames();
  frames.read(concat(HEADER, BOGUS_ACK));
  assertEquals([frames.isComplete, BOGUS_ACK.length], [true, 21]);
});
