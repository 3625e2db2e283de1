import { assertEquals } from "../../../deps/std_assert.ts";
import type { Answer, ServerStats } from "../../../extras/control/rpc_control.ts";
import { EventWatch } from "../../../cli/operating/event_watch.ts";

function statsOf(change: Partial<ServerStats> = {}, numErrors: number = 0): Answer<ServerStats> {
  const times = { processingTime: 0, averageProcessingTime: 0, p50: 1, p95: 2, p99: 3, inHand: 1 };
  return {
    name: "math",
    id: "a",
    pid: 1,
    host: "host",
    roundTripMs: 0,
    version: "0.1.0",
    started: "",
    state: "serving",
    inHand: 1,
    prefetch: 16,
    // None of what is compared.
    counts: {} as never,
    pools: [{ workers: 1, busy: 0, crashed: 0, waiting: 0 }],
    endpoints: [{ name: "add", numRequests: 10, numErrors, ...times }],
    ...change,
  };
}

const counts = { ready: 0, consumers: 1, parked: 0 };

function sampleOf(servers: readonly Answer<ServerStats>[], queue: object = counts) {
  return { at: 0, servers, queues: new Map([["math", queue]]) };
}

Deno.test("EventWatch tells each change once", () => {
  const watch = new EventWatch();
  const add = (...args: Parameters<typeof sampleOf>) =>
    watch.add(sampleOf(...args)).map(({ event, words }) => [event, words]);
  assertEquals(add([statsOf()]), [["server-appeared", "serving on host, version 0.1.0"]]);
  assertEquals(add([statsOf()]), []);
  assertEquals(add([statsOf({ state: "paused" }, 2)]), [
    ["state", "paused, was serving"],
    ["errors", "add has failed 2 times"],
  ]);
  const crashed = { pools: [{ workers: 0, busy: 0, crashed: 1, waiting: 0 }] };
  assertEquals(add([statsOf(crashed, 2)]), [
    ["state", "serving, was paused"],
    ["workers-crashed", "1 workers have crashed"],
  ]);
  assertEquals(add([statsOf({}, 2)], { ready: 0, consumers: 0, parked: 3 }), [
    ["workers-back", "all workers are back"],
    ["parked", "3 more are parked, 3 in all"],
    ["consumers", "0 consumers, were 1"],
  ]);
  assertEquals(add([statsOf({}, 2)], {}), [["queue-gone", "the queue is gone"]]);
});

Deno.test("EventWatch says who is silent, and who is gone", () => {
  const watch = new EventWatch();
  const add = (servers: readonly Answer<ServerStats>[]) =>
    watch.add(sampleOf(servers)).map(({ event }) => event);
  add([statsOf()]);
  assertEquals([add([]), add([]), add([])], [[], [], ["server-silent"]]);
  assertEquals(add([statsOf()]), ["server-back"]);
  const silent = Array.from({ length: 13 }, () => add([])).flat();
  assertEquals(silent, ["server-silent", "server-gone"]);
  assertEquals(add([statsOf()]), ["server-appeared"]);
});
