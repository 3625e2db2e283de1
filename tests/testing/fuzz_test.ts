import { assertEquals, assertGreater, assertLess } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { FrameFuzzer } from "./helpers/frame_fuzzer.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { startBare } from "./helpers/bare_broker.ts";

const FRAMES = Number(Deno.env.get("FUZZ_FRAMES") ?? 100_000);
const SEED = Number(Deno.env.get("FUZZ_SEED") ?? 1);
const FRAMES_PER_BURST = 20;
const BURSTS_PER_CONNECTION = 50;
const MAX_GROWTH_BYTES = 16 * 1024 * 1024;

Deno.test(`Connection survives ${FRAMES} fuzzed frames without a leak`, async () => {
  const broker = startBare();
  const fuzzer = new FrameFuzzer(SEED);
  // Rubbish that was not collected yet is no leak: the lowest levels count.
  const levels: [number[], number[]] = [[], []];
  for (let sent = 0; sent < FRAMES;) {
    const connection = broker.open();
    let isOpen = true;
    for (let burst = 0; burst < BURSTS_PER_CONNECTION && isOpen; burst++) {
      for (const bytes of fuzzer.stream(FRAMES_PER_BURST)) {
        isOpen = isOpen && broker.feed(connection, bytes);
      }
      sent += FRAMES_PER_BURST;
    }
    connection.onClose();
    broker.sweep();
    await Promise.resolve();
    levels[sent < FRAMES / 2 ? 0 : 1].push(Deno.memoryUsage().heapUsed);
  }
  assertGreater(broker.handled, FRAMES / 4);
  assertEquals(broker.faults, []);
  assertEquals(broker.pendingTimers, 0);
  assertLess(Math.min(...levels[1]) - Math.min(...levels[0]), MAX_GROWTH_BYTES);
});

Deno.test("TestBroker serves others while a peer sends garbage", async () => {
  await using broker = await TestBroker.start();
  const fuzzer = new FrameFuzzer(SEED);
  for (let round = 0; round < 20; round++) {
    using peer = await RawClient.open(broker.url);
    for (const bytes of fuzzer.garbage(50)) peer.write(bytes);
    using client = await RawClient.open(broker.url);
    await client.openChannel(1);
    await client.call(1, ["queue.declare", "queue.declare-ok"], { queue: `q${round}` });
  }
});
