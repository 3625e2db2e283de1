import { assertEquals, assertLess } from "../../../deps/std_assert.ts";
import { callTimingOf, ServerClocks } from "../../../internal/calling/call_timing.ts";
import { readTiming, type ServerTiming } from "../../../internal/protocol/timing_header.ts";

/** Fails unless a number is within one of another. */
function assertNear(actual: number, expected: number): void {
  assertLess(Math.abs(actual - expected), 1);
}

/** One way takes so long, in milliseconds. */
const WAY_MS = 0.2;
const TEN_MINUTES_MS = 600_000;

interface Delays {
  readonly queuedMs?: number;
  readonly backlogMs?: number;
  readonly runMs?: number;
  readonly backMs?: number;
}

/** A call at a server whose clock is so far ahead, which has such delays. */
function timed(clocks: ServerClocks, offsetMs: number, calledAt: number, delays: Delays = {}) {
  const { queuedMs = 0, backlogMs = 0, runMs = 0, backMs = 0 } = delays;
  const deliveredAt = calledAt + 2 * WAY_MS + queuedMs;
  const receivedAt = deliveredAt + backlogMs + runMs + backMs + WAY_MS;
  const server: ServerTiming = {
    clock: "its",
    deliveredAt: deliveredAt + offsetMs,
    backlogMs,
    runMs,
    encodeMs: 0,
    queuedMs: undefined,
  };
  const instants = {
    calledAt,
    encodedAt: calledAt,
    publishedAt: calledAt,
    confirmedAt: calledAt + 2 * WAY_MS,
    receivedAt,
    settledAt: receivedAt,
    decodeMs: 0,
  };
  return callTimingOf(instants, server, clocks);
}

for (const offsetMs of [0, TEN_MINUTES_MS, -TEN_MINUTES_MS]) {
  Deno.test(`callTimingOf() finds each delay with a server's clock ${offsetMs} ms ahead`, () => {
    const clocks = new ServerClocks();
    let at = 1_000_000;
    for (let count = 0; count < 10; count++) timed(clocks, offsetMs, at += 1_000);
    for (
      const [delay, part] of [
        ["queuedMs", "queuedMs"],
        ["backlogMs", "backlogMs"],
        ["runMs", "runMs"],
        ["backMs", "transitMs"],
      ] as const
    ) {
      const timing = timed(clocks, offsetMs, at += 1_000, { [delay]: 200 });
      assertNear(timing[part], 200);
      assertLess(timing.totalMs - timing[part], 1);
      assertLess(timing.unknownMs, 1);
    }
  });
}

Deno.test("callTimingOf() does not guess what the first call of a server cannot tell", () => {
  const { queuedMs, transitMs, unknownMs } = timed(new ServerClocks(), -TEN_MINUTES_MS, 1_000_000, {
    queuedMs: 200,
  });
  assertEquals([queuedMs, transitMs], [0, 0]);
  assertNear(unknownMs, 200);
});

Deno.test("ServerClocks.learn() begins anew when a clock has jumped", () => {
  const clocks = new ServerClocks();
  for (let count = 0; count < 10; count++) timed(clocks, 0, 1_000_000 + count);
  for (let count = 0; count < 10; count++) timed(clocks, TEN_MINUTES_MS, 1_001_000 + count);
  const timing = timed(clocks, TEN_MINUTES_MS, 1_002_000, { queuedMs: 200 });
  assertNear(timing.queuedMs, 200);
});

for (
  const text of [
    "",
    "clock",
    "clock 1 2 3",
    "clock 1 2 3 -4",
    "clock 1 2 3 NaN",
    "clock 1 2 3 4.5",
    "clock 1 2 3 4 5 6",
    `clock 1 2 3 ${"9".repeat(400)}`,
    "a\nb 1 2 3 4",
  ]
) {
  Deno.test(`readTiming() takes ${JSON.stringify(text).slice(0, 40)} as good as absent`, () => {
    assertEquals(readTiming({ "rpc-timing": text }), undefined);
  });
}

Deno.test("readTiming() reads what a server has written, and the broker's time", () => {
  const timing = { clock: "a-1", deliveredAt: 1.5, backlogMs: 0, runMs: 2, encodeMs: 3 };
  assertEquals(readTiming({ "rpc-timing": "a-1 1500 0 2000 3000" }), {
    ...timing,
    queuedMs: undefined,
  });
  assertEquals(readTiming({ "rpc-timing": "a-1 1500 0 2000 3000 200000" }), {
    ...timing,
    queuedMs: 200,
  });
});
