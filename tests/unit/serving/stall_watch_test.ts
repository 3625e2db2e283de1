import { assertEquals } from "../../../deps/std_assert.ts";
import { StallWatch } from "../../../internal/serving/stall_watch.ts";
import { VirtualTime } from "../../helpers/virtual_time.ts";

/** A server of two places, and how often it was told that nothing moves. */
function startServer() {
  const time = new VirtualTime();
  const server = { active: 0, stalls: 0 };
  const watch = new StallWatch({
    isFull: () => server.active >= 2,
    active: { size: 2, oldestMs: 1 },
    emit: () => server.stalls++,
    quietMs: 1_000,
  });
  return {
    server,
    pending: () => time.pending,
    start() {
      server.active++;
      watch.onStart();
    },
    end() {
      server.active--;
      watch.onEnd();
    },
    step: () => time.step(),
    [Symbol.dispose]() {
      watch.stop();
      time[Symbol.dispose]();
    },
  };
}

Deno.test("StallWatch tells once when nothing ends in a full server", async () => {
  using place = startServer();
  place.start();
  assertEquals(place.pending(), 0);
  place.start();
  await place.step();
  assertEquals([place.server.stalls, place.pending()], [1, 0]);
});

Deno.test("StallWatch begins anew with whatever ends", async () => {
  using place = startServer();
  place.start();
  place.start();
  for (let n = 0; n < 5; n++) {
    place.end();
    place.start();
    await place.step();
  }
  assertEquals(place.server.stalls, 0);
  await place.step();
  assertEquals(place.server.stalls, 1);
  place.end();
  place.start();
  await place.step();
  assertEquals(place.server.stalls, 2);
});

Deno.test("StallWatch watches nothing while there is room", async () => {
  using place = startServer();
  place.start();
  place.start();
  place.end();
  await place.step();
  assertEquals([place.server.stalls, place.pending()], [0, 0]);
});
