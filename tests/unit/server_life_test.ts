import process from "node:process";
import { assertEquals } from "../../deps/std_assert.ts";
import { ServerLife } from "../../internal/server_life.ts";

/** What a server that notes how it is closed is told of. */
function startLife() {
  const closed = Promise.withResolvers<unknown>();
  const closes: unknown[] = [];
  const server = {
    close: (options: unknown) => {
      closes.push(options);
      closed.resolve(options);
      return Promise.resolve();
    },
    stats: () => ({ active: 0 }),
  };
  const options = { queue: "math", log: false, closeOnSignals: { graceMs: 7 } };
  return { life: new ServerLife(server, options, ["math"]), closes, closed: closed.promise };
}

Deno.test({
  name: "ServerLife closes by a signal that comes before all queues are open",
  // It looks for what keeps the program running 5 s later, by a timer that does not.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: closesLater,
});

async function closesLater(): Promise<void> {
  const { life, closes, closed } = startLife();
  life.watchSignals();
  // The first queue of several may have requests in hand already.
  process.emit("SIGINT");
  await Promise.resolve();
  assertEquals(closes, []);
  life.start();
  assertEquals(await closed, { graceMs: 7 });
}

Deno.test("ServerLife.ignoreSignals() gives signals back", async () => {
  const before = process.listenerCount("SIGINT");
  const { life, closes } = startLife();
  life.watchSignals();
  assertEquals(process.listenerCount("SIGINT"), before + 1);
  life.ignoreSignals();
  assertEquals(process.listenerCount("SIGINT"), before);
  life.start();
  await Promise.resolve();
  assertEquals(closes, []);
});
