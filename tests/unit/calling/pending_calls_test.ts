import { fc } from "../../../deps/fast_check.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
} from "../../../deps/std_assert.ts";
import { RpcError, RpcTimeoutError } from "../../../errors.ts";
import type { CallRequest } from "../../../internal/calling/call_request.ts";
import { PendingCall, PendingCalls } from "../../../internal/calling/pending_calls.ts";
import { callRequest, countedSignal, replyTo } from "../../helpers/call_requests.ts";

/** A table that notes what it asks of its owner. */
function newTable(maxPending = 10) {
  const started: PendingCall[] = [];
  const abandoned: PendingCall[] = [];
  const table = new PendingCalls({
    maxPending,
    onPlace: (call) => started.push(call),
    onAbandoned: (call) => abandoned.push(call),
  });
  const add = (request: CallRequest) => {
    const call = new PendingCall(request, table);
    if (table.add(call)) started.push(call);
    return call;
  };
  return { table, add, started, abandoned };
}

/** Delivers a reply as the client does. */
function deliver(table: PendingCalls, call: PendingCall): PendingCall | "settled" | "unknown" {
  const claimed = table.claim(call.request.correlationId);
  if (typeof claimed !== "object") return claimed;
  claimed.phase = "replied";
  claimed.resolve(replyTo(call.request));
  return claimed;
}

const CLOSED = new RpcError("closed", "Cannot complete the call as the client is closed");
const ACTIONS = fc.record({
  type: fc.constantFrom("add", "add", "reply", "reject", "abort", "abandon"),
  target: fc.nat({ max: 20 }),
});

Deno.test("PendingCalls settles each call once, whatever happens when", async () => {
  await fc.assert(fc.asyncProperty(fc.array(ACTIONS), fc.integer({ min: 1, max: 4 }), run));

  async function run(actions: { type: string; target: number }[], maxPending: number) {
    const { table, add, started } = newTable(maxPending);
    const calls: PendingCall[] = [];
    const signals: ReturnType<typeof countedSignal>[] = [];
    const expected: unknown[] = [];
    const outcomes: Promise<unknown>[] = [];
    for (const { type, target } of actions) {
      if (type === "add") {
        const counted = countedSignal();
        const call = add(callRequest({ signals: [counted.signal] }));
        calls.push(call);
        signals.push(counted);
        expected.push(undefined);
        outcomes.push(call.reply.catch((reason) => reason));
      } else {
        const index = target % Math.max(1, calls.length);
        const call = calls[index];
        if (call === undefined) continue;
        const reason = { type, index };
        const isStarted = started.includes(call);
        if (type === "reply") deliver(table, call);
        if (type === "reject") call.reject(reason);
        if (type === "abort") signals[index]?.abort(reason);
        if (type === "abandon") call.abandon(reason);
        // A reply to a request that was never sent is a stranger's.
        if (type === "reply" && !isStarted) continue;
        expected[index] ??= type === "reply" ? "reply" : reason;
      }
      const { pending, waiting } = table.stats();
      assert(pending <= maxPending && (waiting === 0 || pending === maxPending));
      assertEquals(pending + waiting, expected.filter((outcome) => outcome === undefined).length);
    }
    table.rejectAll(() => CLOSED);
    assertEquals(table.size, 0);
    for (const { listeners } of signals) assertEquals(listeners.size, 0);
    for (const [index, outcome] of (await Promise.all(outcomes)).entries()) {
      if (expected[index] === "reply") assert("body" in (outcome as object));
      else assertStrictEquals(outcome, expected[index] ?? CLOSED, JSON.stringify(expected[index]));
    }
  }
});

Deno.test("PendingCalls starts waiting calls in the order they came", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), fc.nat({ max: 20 }), (max, count) => {
    const { table, add, started } = newTable(max);
    const calls = Array.from({ length: count }, () => add(callRequest()));
    for (let index = 0; index < started.length; index++) {
      assertEquals(table.stats().pending, Math.min(max, count - index));
      started[index]?.resolve(replyTo(callRequest()));
    }
    assertEquals(started, calls);
    table.rejectAll(() => CLOSED);
  }));
});

Deno.test("PendingCalls rejects a call that has no reply in time", async () => {
  const { table, add } = newTable();
  const request = callRequest({ timeoutMs: 1, signals: [countedSignal().signal] });
  const error = await assertRejects(() => add(request).reply, RpcTimeoutError);
  assertEquals([error.timeoutMs, error.procedure, table.size], [1, "add", 0]);
});

Deno.test("PendingCalls ends each call at its own time, the shortest first", async () => {
  const { add } = newTable();
  const ended: number[] = [];
  const waits = [40, 1, 20].map((timeoutMs) => {
    return add(callRequest({ timeoutMs })).reply.catch((error) => {
      ended.push(error.timeoutMs);
    });
  });
  await Promise.all(waits);
  assertEquals(ended, [1, 20, 40]);
});

Deno.test("PendingCalls says overloaded to a call that finds no place", async () => {
  const { table, add, started } = newTable(1);
  const first = add(callRequest());
  const second = add(callRequest({ timeoutMs: 1 }));
  const error = await assertRejects(
    () => second.reply,
    RpcError,
    '1 calls are pending ("maxPending")',
  );
  assertEquals([error.code, error.retryable, started], ["overloaded", true, [first]]);
  first.resolve(replyTo(first.request));
  assertEquals(table.size, 0);
  table.rejectAll(() => CLOSED);
});

Deno.test("PendingCalls starts nothing that was given up while waiting", () => {
  const { table, add, started, abandoned } = newTable(1);
  const first = add(callRequest());
  const { signal, abort } = countedSignal();
  const second = add(callRequest({ signals: [signal] }));
  second.reply.catch(() => {});
  abort("enough");
  first.resolve(replyTo(first.request));
  assertEquals([started, abandoned], [[first], [second]]);
  table.rejectAll(() => CLOSED);
});

Deno.test("PendingCalls tells late, duplicate and unknown replies apart", () => {
  const { table, add } = newTable();
  const [replied, failed] = [add(callRequest()), add(callRequest())];
  failed.reply.catch(() => {});
  failed.reject(CLOSED);
  assertStrictEquals(deliver(table, replied), replied);
  assertEquals([deliver(table, replied), deliver(table, failed)], ["settled", "settled"]);
  assertEquals([table.claim("stranger"), table.claim(undefined)], ["unknown", "unknown"]);
  const { lateReplies, duplicateReplies } = table.stats();
  assertEquals([lateReplies, duplicateReplies], [1, 1]);
  table.rejectAll(() => CLOSED);
});

Deno.test("PendingCalls remembers a bounded number of settled calls", () => {
  const { table, add } = newTable(1);
  const calls = Array.from({ length: 20_000 }, () => {
    const call = add(callRequest());
    deliver(table, call);
    return call;
  });
  const known = calls.map((call) => table.claim(call.request.correlationId) === "settled");
  assertFalse(known.slice(-4_096).includes(false));
  assertFalse(known.slice(0, -8_192).includes(true));
  table.rejectAll(() => CLOSED);
});

Deno.test("PendingCalls.drain() waits for the last call, or for its grace", async () => {
  const { table, add } = newTable(1);
  await table.drain(60_000);
  const calls = [add(callRequest()), add(callRequest())];
  let isDrained = false;
  const draining = table.drain(60_000).then(() => isDrained = true);
  deliver(table, calls[0] ?? add(callRequest()));
  await Promise.resolve();
  assertFalse(isDrained);
  deliver(table, calls[1] ?? add(callRequest()));
  await draining;
  const hanging = add(callRequest());
  hanging.reply.catch(() => {});
  await table.drain(1);
  assertEquals(table.size, 1);
  table.rejectAll(() => CLOSED);
});
