import { assert, assertEquals } from "../../deps/std_assert.ts";
import { VirtualClock } from "../../testing/mod.ts";
import { Heartbeats } from "../../testing/session/heartbeats.ts";
import { Random } from "../../tools/raw/random.ts";

const INTERVAL_MS = 1000;
const STEPS = 2000;
const SEEDS = [1, 2, 3, 4, 5];

/** Heartbeats of a connection, and what became of them. */
class Bench {
  readonly clock = new VirtualClock(0);
  readonly heartbeats: Heartbeats;
  readonly sentAt: number[] = [0];
  silentAt: number | undefined;

  constructor() {
    this.heartbeats = new Heartbeats({
      intervalMs: INTERVAL_MS,
      clock: this.clock,
      send: () => this.send(),
      onSilence: () => this.#end(),
    });
    this.heartbeats.start();
  }

  send(): void {
    this.sentAt.push(this.clock.now());
    this.heartbeats.noteSent();
  }

  #end(): void {
    this.silentAt = this.clock.now();
    this.heartbeats.stop();
  }
}

for (const seed of SEEDS) {
  Deno.test(`Heartbeats leave no interval without traffic (seed ${seed})`, () => {
    const random = new Random(seed);
    const bench = new Bench();
    for (let step = 0; step < STEPS; step++) {
      bench.clock.advance(random.below(INTERVAL_MS));
      bench.heartbeats.noteReceived();
      if (random.oneIn(3)) bench.send();
    }
    assertEquals(bench.silentAt, undefined);
    const gaps = bench.sentAt.map((at, index) => at - (bench.sentAt[index - 1] ?? 0));
    assert(Math.max(...gaps) <= INTERVAL_MS, `${Math.max(...gaps)} ms`);
    bench.heartbeats.stop();
  });

  Deno.test(`Heartbeats end after two silent intervals, within three (seed ${seed})`, () => {
    const random = new Random(seed);
    for (let run = 0; run < 200; run++) {
      const bench = new Bench();
      const steps = 1 + random.below(5);
      for (let step = 0; step < steps; step++) {
        bench.clock.advance(random.below(INTERVAL_MS));
        bench.heartbeats.noteReceived();
      }
      const lastAt = bench.clock.now();
      assertEquals(bench.silentAt, undefined);
      bench.clock.advance(10 * INTERVAL_MS);
      const silence = (bench.silentAt ?? Infinity) - lastAt;
      assert(silence > 2 * INTERVAL_MS && silence <= 3 * INTERVAL_MS, `${silence} ms`);
    }
  });
}
