import { assertEquals } from "../../../deps/std_assert.ts";
import { ActiveRequests } from "../../../internal/serving/active_requests.ts";
import { PausedStreams } from "../../../internal/serving/paused_streams.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { FakeTime } from "../../helpers/fake_time.ts";
import { fakeWork } from "../../helpers/fake_work.ts";

/** Has a stream run to a durable reply queue, and tells after how many seconds it ends, if at all. */
async function secondsOf(isUnattended: (seconds: number) => boolean): Promise<number | undefined> {
  using time = new FakeTime();
  const startedAt = Date.now();
  const seconds = () => (Date.now() - startedAt) / 1_000;
  const now = performance.now;
  performance.now = Date.now;
  try {
    const requests = new ActiveRequests();
    const properties = { replyTo: "rpc.replies.billing", headers: { "rpc-credits": 1 } };
    let endedAt: number | undefined;
    requests.add(fakeDelivery({ properties })).run(
      fakeWork({ leave: () => endedAt ??= seconds() }),
      Promise.withResolvers(),
    );
    const streams = new PausedStreams({
      streams: () => endedAt === undefined ? requests.streams() : [],
      isFull: () => false,
      isUnattended: () => Promise.resolve(isUnattended(seconds())),
    });
    streams.watch();
    await time.advance(60_000);
    streams.stop();
    return endedAt;
  } finally {
    performance.now = now;
  }
}

Deno.test("PausedStreams ends a stream whose durable reply queue nobody comes back to", async () => {
  assertEquals(await secondsOf(() => true), 7);
});

Deno.test("PausedStreams keeps the stream of a client that is being connected anew", async () => {
  assertEquals(await secondsOf((seconds) => seconds < 6), undefined);
  assertEquals(await secondsOf(() => false), undefined);
});
