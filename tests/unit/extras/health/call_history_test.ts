import { assert, assertEquals, assertFalse, assertThrows } from "../../../../deps/std_assert.ts";
import { RpcError } from "../../../../errors.ts";
import { recorderOf } from "../../../../extras/health/call_history.ts";
import { CallHistory, healthHandler, type RpcServerEvent } from "../../../../extras/health/mod.ts";
import { type Ending, Recorder, SLOT_MS, SLOTS } from "../../../../extras/health/recorder.ts";

const here = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } };

/** A request that has ended. */
function served(procedure: string, changes: Partial<RpcServerEvent> = {}): RpcServerEvent {
  const timing = { backlogMs: 1, runMs: 2, encodeMs: 0, confirmMs: 3, totalMs: 6 };
  const event = { type: "served", procedure, correlationId: "1", outcome: "output", timing };
  return { ...event, ...changes } as RpcServerEvent;
}

/** A request that no handler has run for. */
function unknown(procedure: string): RpcServerEvent {
  const timing = { backlogMs: 0, runMs: 0, encodeMs: 0, confirmMs: 1, totalMs: 1 };
  const error = new RpcError("unknown-procedure", "There is none");
  return served(procedure, { outcome: "error", error, timing });
}

Deno.test("A recorder has the last ten minutes, and nothing of what was before", () => {
  let now = 5 * SLOT_MS;
  const recorder = new Recorder(() => now);
  const ending: Ending = {
    procedure: "add",
    status: "timeout",
    totalMs: 8,
    parts: { runMs: 3 },
    place: "",
  };
  recorder.add("math, served", ending);
  recorder.sample("math", { busy: 2, waiting: 1 });
  recorder.sample("math", { busy: 1, waiting: 4 });
  const counts = () => recorder.tracks.get("math, served")?.slots().map((slot) => slot?.count ?? 0);
  const loads = () => recorder.loads.get("math");
  assertEquals([counts()?.length, counts()?.at(-1), loads()?.at(-1)], [SLOTS, 1, {
    busy: 2,
    waiting: 4,
  }]);
  now += (SLOTS - 1) * SLOT_MS;
  recorder.add("math, served", { ...ending, parts: { runMs: 5 } });
  assertEquals([counts()?.at(0), counts()?.at(-1), loads()?.at(0)?.busy], [1, 1, 2]);
  assertEquals(recorder.codes(), [["timeout", 2]]);
  const ledger = () => recorder.tracks.get("math, served")?.ledgers().get("add");
  assertEquals(ledger(), { count: 2, means: { runMs: 4 } });
  now += SLOT_MS;
  assertEquals([counts()?.at(0), counts()?.at(-2), loads()?.at(0)], [0, 1, undefined]);
  assertEquals([recorder.codes(), ledger()?.count], [[["timeout", 1]], 1]);
  now += 1_000 * SLOT_MS;
  assertEquals(recorder.codes(), []);
});

Deno.test("A recorder keeps the latest errors", () => {
  const recorder = new Recorder(() => 0);
  for (let count = 0; count < 100; count++) {
    const ending = { procedure: `${count}`, status: "timeout", totalMs: 1, parts: {}, place: "" };
    recorder.add("math", ending);
  }
  assertEquals(recorder.errors.map(({ procedure }) => procedure), [
    ...["99", "98", "97", "96", "95", "94", "93", "92", "91", "90"],
  ]);
});

Deno.test("10,000 names of procedures that there are not are one on the page", async () => {
  using history = new CallHistory();
  const observe = history.serverObserver("math");
  observe(served("add"));
  for (let count = 0; count < 10_000; count++) observe(unknown(`stranger-${count}`));
  const ledgers = recorderOf(history).tracks.get("math, served")?.ledgers() ?? new Map();
  assertEquals([...ledgers.keys()], ["add", "_OTHER"]);
  const handler = healthHandler({}, { page: history });
  const page = await (await handler(new Request("http://localhost/"), here)).text();
  assert(page.includes("math, served: _OTHER"));
  assertFalse(page.includes("stranger"));
  assertEquals(recorderOf(history).codes(), [["unknown-procedure", 10_000]]);
});

Deno.test("A history tells where an error comes from, and not what it says", () => {
  using history = new CallHistory();
  const observe = history.serverObserver("math");
  observe(served("add", { outcome: "error", error: new Error("secret") }));
  const remote = Object.assign(new Error("secret"), {
    remoteStack:
      "Error: secret\n    at run (ext:core/1.js:1:2)\n    at add (file:///app/src/sum.ts:3:9)",
  });
  observe(served("add", { outcome: "error", error: remote }));
  observe(served("add", { outcome: "crashed", error: "no error" }));
  const { errors } = recorderOf(history);
  assertEquals(errors.map(({ status, place }) => [status, place.replace(/\d+$/, "1")]), [
    ["worker-crashed", ""],
    ["handler-error", "src/sum.ts:1"],
    ["handler-error", "health/call_history_test.ts:1"],
  ]);
  assertFalse(JSON.stringify(errors).includes("secret"));
});

Deno.test("A history wants the name of a queue", () => {
  using history = new CallHistory();
  assertThrows(() => history.serverObserver(""), TypeError, "queue");
  assertThrows(() => history.clientObserver(""), TypeError, "queue");
});
