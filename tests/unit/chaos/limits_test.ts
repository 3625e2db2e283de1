import { checkHistory } from "../../../chaos/checking/checker.ts";
import type { History } from "../../../chaos/checking/history.ts";
import { standardLimits, type Terms } from "../../../chaos/limits.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

const settles = [{ at: 1, output: "output" }];
const call = { call: 0, kind: "call", startedAt: 0, deadlineAt: 9_000, settles } as const;
const run = { call: 0, server: "a", redeliveries: 0, startedAt: 0, isComplete: true };
const history: History = {
  calls: [call],
  executions: [run],
  endedAt: 2,
  remaining: { ready: 0, unacknowledged: 0 },
  expected: () => "output",
};

function broken(parts: Partial<History>, terms: Partial<Terms> = {}): string[] {
  const check = checkHistory({ ...history, ...parts });
  return standardLimits(check, { extraBound: 0, ...terms })
    .filter(({ holds }) => !holds).map(({ name }) => name);
}

Deno.test("standardLimits() hold for a sound history", () => {
  assertEquals(broken({}), []);
});

Deno.test("standardLimits() break where a queue is not known to be empty", () => {
  assertEquals(broken({ remaining: { ready: 1, unacknowledged: 0 } }), ["left in the queue"]);
  assertEquals(broken({ remaining: { ready: 0, unacknowledged: 1 } }), ["left unacknowledged"]);
  assertEquals(broken({ remaining: undefined }), ["left in the queue", "left unacknowledged"]);
});

Deno.test("standardLimits() bound extra executions as the row says", () => {
  const executions = [run, run, run];
  assertEquals(broken({ executions }, { extraBound: 2 }), []);
  assertEquals(broken({ executions }, { extraBound: 1 }), ["extra executions"]);
  const terms = { extraBound: 2, maxExecutions: 2 };
  assertEquals(broken({ executions }, terms), ["executions of one call"]);
});

Deno.test("standardLimits() allow rejections that the row expects, no others", () => {
  const calls = [call, { ...call, call: 1, settles: [{ at: 1, code: "timeout" }] }];
  assertEquals(broken({ calls }, { mayReject: ["timeout"] }), []);
  assertEquals(broken({ calls }), ["rejected as timeout"]);
});

Deno.test("standardLimits() break where nothing was answered", () => {
  assertEquals(broken({ calls: [], executions: [] }), ["answered"]);
});
