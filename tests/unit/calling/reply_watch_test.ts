import { assertEquals } from "../../../deps/std_assert.ts";
import type { PublishOutcome } from "../../../internal/broker/publisher.ts";
import { ReplyWatch } from "../../../internal/calling/reply_watch.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

/** A watch of calls that wait until told otherwise, and what it does. */
function watchOf(probe: () => Promise<PublishOutcome> | undefined) {
  const seen = { waits: true, probes: 0, vanished: 0 };
  const watch = new ReplyWatch({
    isWaiting: () => seen.waits,
    replyPath() {
      seen.probes++;
      const outcome = probe();
      return outcome && { probe: () => outcome, renew: () => void seen.vanished++ };
    },
  });
  watch.start();
  return { watch, seen };
}

Deno.test("ReplyWatch probes every five seconds without a reply", async () => {
  using time = new FakeTime();
  const { watch, seen } = watchOf(() => Promise.resolve("confirmed"));
  await time.advance(4_999);
  assertEquals(seen.probes, 0);
  await time.advance(1);
  assertEquals(seen.probes, 1);
  await time.advance(10_000);
  assertEquals([seen.probes, seen.vanished], [3, 0]);
  watch.stop();
  assertEquals(time.timers, 0);
});

Deno.test("ReplyWatch does not probe while replies come", async () => {
  using time = new FakeTime();
  const { watch, seen } = watchOf(() => Promise.resolve("confirmed"));
  for (let second = 0; second < 60; second++) {
    await time.advance(1_000);
    watch.onReply();
  }
  assertEquals(seen.probes, 0);
  watch.stop();
});

Deno.test("ReplyWatch tells that the queue has vanished by what is returned alone", async () => {
  using time = new FakeTime();
  const outcomes: PublishOutcome[] = ["nacked", "stranded", "unknown", "unsent", "confirmed"];
  const left = [...outcomes];
  const { watch, seen } = watchOf(() => Promise.resolve(left.shift() ?? "returned"));
  await time.advance(outcomes.length * 5_000);
  assertEquals([seen.probes, seen.vanished], [outcomes.length, 0]);
  await time.advance(5_000);
  assertEquals(seen.vanished, 1);
  watch.stop();
});

Deno.test("ReplyWatch goes on without a connection, and over one that fails", async () => {
  using time = new FakeTime();
  const answers = [undefined, Promise.reject(new Error("lost"))];
  const { watch, seen } = watchOf(() =>
    answers.length > 0 ? answers.shift() : Promise.resolve("returned")
  );
  await time.advance(15_000);
  assertEquals([seen.probes, seen.vanished], [3, 1]);
  watch.stop();
});

Deno.test("ReplyWatch is off while no call waits, and for good once it is stopped", async () => {
  using time = new FakeTime();
  const { watch, seen } = watchOf(() => Promise.resolve("confirmed"));
  seen.waits = false;
  await time.advance(60_000);
  assertEquals([seen.probes, time.timers], [0, 0]);
  seen.waits = true;
  watch.start();
  watch.start();
  assertEquals(time.timers, 1);
  await time.advance(5_000);
  assertEquals(seen.probes, 1);
  watch.stop();
  watch.start();
  assertEquals(time.timers, 0);
});

Deno.test("ReplyWatch sends no probe while one is on its way", async () => {
  using time = new FakeTime();
  const confirm = Promise.withResolvers<PublishOutcome>();
  const { watch, seen } = watchOf(() => confirm.promise);
  await time.advance(60_000);
  assertEquals(seen.probes, 1);
  watch.stop();
  confirm.resolve("confirmed");
  await time.settle();
  assertEquals(time.timers, 0);
});
