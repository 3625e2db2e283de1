import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../../../../deps/std_assert.ts";
import { RpcError } from "../../../../errors.ts";
import {
  type BreakerOptions,
  type ResilienceEvent,
  withResilience,
} from "../../../../extras/resilience/resilience.ts";
import type { Caller } from "../../../../caller.ts";
import { type Answer, codeOf, failure, FakeCaller, remoteFailure, typesOf } from "./fake_caller.ts";
import { FakeTime } from "../../../helpers/fake_time.ts";

const ok: Answer = { output: 7 };

interface Guarded {
  readonly steady: Pick<Caller, "call">;
  readonly events: ResilienceEvent[];
}

function guarded(caller: FakeCaller, breaker: BreakerOptions = {}): Guarded {
  const events: ResilienceEvent[] = [];
  const steady = withResilience(caller, {
    breaker: { minCalls: 3, coolDownMs: 1_000, ...breaker },
    onEvent: (event) => void events.push(event),
  });
  return { steady, events };
}

/** Calls so often, one after the other. */
async function repeat(
  calls: number,
  caller: Pick<Caller, "call">,
  procedure = "add",
): Promise<void> {
  for (let call = 0; call < calls; call++) await caller.call(procedure, 1).catch(() => {});
}

async function failedCall(caller: Pick<Caller, "call">, procedure = "add"): Promise<RpcError> {
  const error = await caller.call(procedure, 1).then(() => undefined, (error) => error);
  assertInstanceOf(error, RpcError);
  return error;
}

Deno.test("withResilience() opens the circuit of a procedure that keeps failing", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"));
  const { steady, events } = guarded(caller);
  await repeat(3, steady);
  await time.advance(400);
  const error = await failedCall(steady);
  assertStrictEquals(error.code, "circuit-open");
  assertEquals(error.details, { remainingCoolDownMs: 600 });
  assertStrictEquals(codeOf(error.cause), "timeout");
  assertStrictEquals(caller.attempts.length, 3);
  assertEquals(typesOf(events), ["circuit-opened"]);
});

Deno.test("withResilience() has a circuit for each procedure", async () => {
  using _time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"));
  const { steady } = guarded(caller);
  await repeat(3, steady);
  assertStrictEquals((await failedCall(steady, "subtract")).code, "timeout");
});

Deno.test("withResilience() closes the circuit after a probe that is answered", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"), failure("timeout"), failure("timeout"), ok);
  const { steady, events } = guarded(caller);
  await repeat(3, steady);
  await time.advance(1_000);
  assertStrictEquals(await steady.call("add", 1), 7);
  assertEquals(typesOf(events), ["circuit-opened", "circuit-half-opened", "circuit-closed"]);
});

Deno.test("withResilience() takes an error reply for an answer", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(remoteFailure("handler-error", false));
  const { steady, events } = guarded(caller);
  await repeat(10, steady);
  assertEquals(events, []);
  caller.answers = [failure("timeout")];
  await repeat(20, steady);
  caller.answers = [remoteFailure("handler-error", false)];
  await time.advance(1_000);
  assertStrictEquals((await failedCall(steady)).code, "handler-error");
  assertStrictEquals(typesOf(events).at(-1), "circuit-closed");
});

Deno.test("withResilience() opens the circuit again after a probe that fails", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"));
  const { steady, events } = guarded(caller);
  await repeat(3, steady);
  await time.advance(1_000);
  assertStrictEquals((await failedCall(steady)).code, "timeout");
  assertEquals((await failedCall(steady)).details, { remainingCoolDownMs: 1_000 });
  assertStrictEquals(typesOf(events).at(-1), "circuit-opened");
});

Deno.test("withResilience() lets no more calls through than probes", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"));
  const { steady } = guarded(caller, { probes: 2 });
  await repeat(3, steady);
  await time.advance(1_000);
  caller.answers = ["pending"];
  const probes = [steady.call("add", 1), steady.call("add", 2)];
  await time.settle();
  const refused = await failedCall(steady);
  assertEquals([refused.code, refused.details], ["circuit-open", { remainingCoolDownMs: 0 }]);
  for (const attempt of caller.attempts) attempt.settle({ output: 7 });
  assertEquals(await Promise.all(probes), [7, 7]);
  caller.answers = [ok];
  assertStrictEquals(await steady.call("add", 1), 7);
});

Deno.test("withResilience() opens the circuit again after a probe that is aborted", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("timeout"));
  const { steady } = guarded(caller);
  await repeat(3, steady);
  await time.advance(1_000);
  caller.answers = ["pending"];
  const controller = new AbortController();
  const probe = steady.call("add", 1, { signal: controller.signal }).catch((error) => error);
  await time.settle();
  controller.abort(new Error("Changed my mind"));
  assertStrictEquals(await probe, controller.signal.reason);
  assertStrictEquals((await failedCall(steady)).code, "circuit-open");
});

Deno.test("withResilience() does not count attempts that began before the circuit opened", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller("pending");
  const { steady, events } = guarded(caller, { minCalls: 2, probes: 2 });
  const old = [1, 2, 3, 4, 5].map((input) => steady.call("add", input).catch(() => {}));
  await time.settle();
  const [first, second, third, fourth, fifth] = caller.attempts;
  assert(first && second && third && fourth && fifth);
  for (const attempt of [first, second]) attempt.settle(failure("timeout"));
  await time.settle();
  assertEquals(typesOf(events), ["circuit-opened"]);
  await time.advance(1_000);
  const probe = steady.call("add", 6);
  third.settle(failure("timeout"));
  fourth.settle({ output: 1 });
  await time.settle();
  assertEquals(typesOf(events), ["circuit-opened", "circuit-half-opened"]);
  caller.answers = [ok];
  assertStrictEquals(await steady.call("add", 7), 7);
  caller.attempts[5]?.settle(ok);
  assertStrictEquals(await probe, 7);
  fifth.settle(failure("timeout"));
  caller.answers = [failure("timeout")];
  await repeat(1, steady);
  await Promise.all(old);
  assertEquals(typesOf(events), ["circuit-opened", "circuit-half-opened", "circuit-closed"]);
});

Deno.test("withResilience() does not count what says nothing of the servers", async () => {
  using _time = new FakeTime();
  const caller = new FakeCaller(failure("unencodable"));
  const { steady, events } = guarded(caller);
  await repeat(10, steady);
  caller.answers = [{ error: new TypeError("Misuse") }];
  await repeat(10, steady);
  assertEquals(events, []);
});

Deno.test("withResilience() does not retry into an open circuit", async () => {
  using time = new FakeTime();
  const caller = new FakeCaller(failure("unroutable"));
  const steady = withResilience(caller, {
    breaker: { minCalls: 2 },
    retry: { maxAttempts: 5, firstDelayMs: 10 },
  });
  const error = steady.call("add", 1).catch((error) => error);
  await time.advance(1_000);
  assertStrictEquals(codeOf(await error), "circuit-open");
  assertStrictEquals(caller.attempts.length, 2);
});

Deno.test("withResilience() refuses breaker options that are out of bounds", () => {
  const wrong: BreakerOptions[] = [
    { failureRatio: 0 },
    { failureRatio: 1 },
    { windowCalls: 0 },
    { windowCalls: 5, minCalls: 6 },
    { coolDownMs: 0 },
    { probes: 0 },
  ];
  for (const breaker of wrong) {
    assertThrows(() => withResilience(new FakeCaller(ok), { breaker }), RangeError);
  }
});

Deno.test("withResilience() opens a circuit by the share of failures", async () => {
  using _time = new FakeTime();
  const caller = new FakeCaller(ok, failure("timeout"), ok, failure("timeout"), ok);
  const { steady, events } = guarded(caller, { windowCalls: 4, minCalls: 4 });
  await repeat(5, steady);
  assertEquals(events, []);
  caller.answers = [failure("timeout")];
  await repeat(3, steady);
  assert(typesOf(events).includes("circuit-opened"));
  await assertRejects(() => steady.call("add", 1), RpcError, "the next probe may go in");
});
