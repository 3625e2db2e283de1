import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { OperatorLog } from "../../internal/operator_log.ts";
import { RpcError, type RpcState } from "../../mod.ts";
import { FakeTime } from "../helpers/fake_time.ts";

const since = new Date();

Deno.test("OperatorLog tells once of each state, and of each reason until it works again", () => {
  const lines: string[] = [];
  const log = new OperatorLog('Server of "math"', (line) => lines.push(line));
  const states: (Pick<RpcState, "name" | "reason">)[] = [
    { name: "serving" },
    { name: "reconnecting", reason: "reset" },
    { name: "reconnecting", reason: "refused" },
    { name: "reconnecting", reason: "reset" },
    { name: "serving" },
    { name: "blocked", reason: "low on memory" },
    { name: "serving" },
    { name: "reconnecting", reason: "refused" },
    { name: "draining" },
    { name: "closed" },
  ];
  for (const state of states) log.onState({ ...state, since });
  assertEquals(lines.map((line) => line.replace('Server of "math": ', "")), [
    "serving",
    "lost its connection, and tries again: reset",
    "not connected yet, and tries again: refused",
    "serving again",
    "the broker takes no messages for now: low on memory",
    "serving again",
    "lost its connection, and tries again: refused",
  ]);
});

Deno.test("OperatorLog does not say that a client is connected, but that it is again", () => {
  const lines: string[] = [];
  const log = new OperatorLog('Client of "math"', (line) => lines.push(line));
  log.onState({ name: "connected", since });
  assertEquals(lines, []);
  log.onState({ name: "reconnecting", reason: "reset\u{1b}[2J", since });
  log.onState({ name: "connected", since });
  assertEquals(lines.length, 2);
  assertStringIncludes(lines[0] ?? "", "reset\\u{1b}[2J");
});

Deno.test("OperatorLog bounds the lines that strangers can cause, and counts the rest", async () => {
  using time = new FakeTime();
  const lines: string[] = [];
  const log = new OperatorLog('Server of "math"', (line) => lines.push(line));
  const parked = { type: "parked", procedure: "add", code: "worker-crashed", id: "1" } as const;
  for (let n = 0; n < 1_000; n++) log.onRequest(parked);
  assertEquals(lines, ['Server of "math": parked a request of "add" as "1": worker-crashed']);
  await time.advance(10_000);
  log.onRequest(parked);
  assertStringIncludes(lines[1] ?? "", "(and 999 more before)");
  // The server itself tells of the first of these.
  log.onRequest({ ...parked, code: "reply-to-refused" });
  log.onRequest({ type: "abandoned", procedure: undefined, code: "expired", runMs: 500 });
  const error = new RpcError("access-refused", "no");
  log.onRequest({ type: "not-parked", procedure: "add", code: "worker-crashed", error });
  assertEquals(lines.length, 4);
});
