import { type Check, checkHistory } from "../../../chaos/checking/checker.ts";
import type { CallRecord, Execution, History, Settle } from "../../../chaos/checking/history.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

/** A history without a fault: three calls, answered in time. */
const SOUND: History = {
  calls: [0, 1, 2].map((call) => answered(call)),
  executions: [0, 1, 2].map((call) => execution(call)),
  endedAt: 2_000,
  remaining: { ready: 0, unacknowledged: 0 },
  expected: (call) => `output ${call}`,
};

function answered(call: number, settle: Partial<Settle> = {}): CallRecord {
  const output = { at: 1_500, output: `output ${call}`, ...settle };
  return { call, kind: "call", startedAt: 1_000, deadlineAt: 61_000, settles: [output] };
}

function rejected(call: number, code: string): CallRecord {
  return { ...answered(call), settles: [{ at: 1_500, code }] };
}

function open(call: number): CallRecord {
  return { ...answered(call), settles: [] };
}

function execution(call: number, parts: Partial<Execution> = {}): Execution {
  return {
    call,
    server: "server-1",
    redeliveries: 0,
    startedAt: 1_100,
    isComplete: true,
    ...parts,
  };
}

/** What the checker says of the sound history, with some parts replaced. */
function check(parts: Partial<History>): Check {
  return checkHistory({ ...SOUND, ...parts });
}

/** The sound history with another call 1. */
function withCall(call: CallRecord): Partial<History> {
  return { calls: SOUND.calls.with(1, call) };
}

Deno.test("checkHistory() finds nothing where nothing is wrong", () => {
  assertEquals(check({}), {
    calls: 3,
    answered: 3,
    lost: [],
    left: [],
    wrong: [],
    unsettled: [],
    settledTwice: [],
    rejected: {},
    disconnectedOnce: 0,
    extraExecutions: 0,
    maxExecutions: 1,
    redelivered: 0,
    remaining: { ready: 0, unacknowledged: 0 },
  });
});

Deno.test("checkHistory() calls lost what has no outcome and is not queued", () => {
  assertEquals(check(withCall(open(1))).lost, [1]);
});

Deno.test("checkHistory() calls nothing lost that may still be in the queue", () => {
  for (const remaining of [{ ready: 1, unacknowledged: 0 }, undefined]) {
    const { lost, left } = check({ ...withCall(open(1)), remaining });
    assertEquals({ lost, left }, { lost: [], left: [1] });
  }
  const { left } = check({ ...withCall(open(1)), remaining: { ready: 0, unacknowledged: 1 } });
  assertEquals(left, [1]);
});

Deno.test("checkHistory() calls a notification lost that nobody has run", () => {
  const notified: CallRecord = { ...answered(1), kind: "notify", settles: [{ at: 1_500 }] };
  assertEquals(check(withCall(notified)).lost, []);
  const executions = SOUND.executions.filter(({ call }) => call !== 1);
  assertEquals(check({ ...withCall(notified), executions }).lost, [1]);
});

Deno.test("checkHistory() calls a foreign, an old or a missing output wrong", () => {
  for (const output of ["output 2", "", undefined, 1]) {
    assertEquals(check(withCall(answered(1, { output }))).wrong, [1]);
  }
});

Deno.test("checkHistory() calls an output wrong that no server has finished", () => {
  const executions = [execution(0), execution(1, { isComplete: false }), execution(2)];
  assertEquals(check({ executions }).wrong, [1]);
  assertEquals(check({ executions: [execution(0), execution(2)] }).wrong, [1]);
});

Deno.test("checkHistory() calls executions wrong that nobody has asked for", () => {
  assertEquals(check({ executions: [...SOUND.executions, execution(3)] }).wrong, [3]);
});

Deno.test("checkHistory() calls a call unsettled that outlives its deadline", () => {
  const endedAt = 62_001;
  assertEquals(check({ ...withCall(open(1)), endedAt }).unsettled, [1]);
  assertEquals(check({ ...withCall(open(1)), endedAt: 62_000 }).unsettled, []);
  assertEquals(check({ ...withCall(answered(1, { at: 62_001 })), endedAt }).unsettled, [1]);
});

Deno.test("checkHistory() counts calls that settle twice", () => {
  const [settle] = answered(1).settles;
  const twice = settle === undefined ? [] : [settle, settle];
  assertEquals(check(withCall({ ...answered(1), settles: twice })).settledTwice, [1]);
});

Deno.test("checkHistory() judges the value of a second outcome, too", () => {
  const second = { at: 1_600, output: "output 2" };
  const call = answered(1);
  const { wrong } = check(withCall({ ...call, settles: [...call.settles, second] }));
  assertEquals(wrong, [1]);
});

Deno.test("checkHistory() counts rejections by code, and no answer for them", () => {
  const calls = [rejected(0, "timeout"), rejected(1, "timeout"), rejected(2, "closed")];
  const { answered, rejected: counts } = check({ calls });
  assertEquals([answered, counts], [0, { timeout: 2, closed: 1 }]);
});

Deno.test("checkHistory() lets calls that run once be disconnected, others not", () => {
  const once: CallRecord = { ...rejected(1, "disconnected"), kind: "once" };
  const { disconnectedOnce, rejected: counts } = check(withCall(once));
  assertEquals([disconnectedOnce, counts], [1, {}]);
  assertEquals(check(withCall(rejected(1, "disconnected"))).rejected, { disconnected: 1 });
});

Deno.test("checkHistory() counts executions beyond the first of each call", () => {
  const again = [execution(1, { redeliveries: 1 }), execution(1, { redeliveries: 2 })];
  const { extraExecutions, maxExecutions, redelivered } = check({
    executions: [...SOUND.executions, ...again, execution(2)],
  });
  assertEquals([extraExecutions, maxExecutions, redelivered], [3, 3, 2]);
});
