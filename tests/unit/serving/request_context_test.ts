import {
  assert,
  assertEquals,
  assertFalse,
  assertStrictEquals,
  assertThrows,
} from "../../../deps/std_assert.ts";
import { RequestContext } from "../../../internal/serving/request_context.ts";
import { type IncomingRequest, readRequestEnvelope } from "../../../internal/protocol/envelope.ts";

/** A request that has so long, by its caller's clock and by the broker's. */
function request(leftMs?: number, expiresInMs: number | undefined = leftMs): IncomingRequest {
  return readRequestEnvelope({
    correlationId: "a",
    ...(leftMs === undefined ? {} : { headers: { "rpc-deadline": Date.now() + leftMs } }),
    ...(expiresInMs === undefined ? {} : { expiration: `${expiresInMs}` }),
  });
}

function contextOf(incoming: IncomingRequest): RequestContext {
  return new RequestContext("add", incoming, 0);
}

/** Milliseconds until the deadline, to the nearest hundred. */
function leftOf({ deadline }: RequestContext): number | undefined {
  return deadline === undefined ? undefined : Math.round((deadline - Date.now()) / 100) * 100;
}

async function whenAborted({ signal }: RequestContext): Promise<unknown> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return signal.reason;
}

Deno.test("RequestContext has the deadline of its request", () => {
  using context = contextOf(request(60_000));
  assertEquals(leftOf(context), 60_000);
  using endless = contextOf(request());
  assertEquals([endless.deadline, endless.signal.aborted], [undefined, false]);
});

Deno.test("RequestContext takes the earlier of the two clocks' deadlines", () => {
  using early = contextOf(request(-4_000, 10_000));
  assertEquals(leftOf(early), 1_000);
  using late = contextOf(request(3_600_000, 10_000));
  assertEquals(leftOf(late), 10_000);
});

Deno.test("RequestContext.signal aborts when the deadline passes", async () => {
  using context = contextOf(request(60_000, 10));
  const reason = await whenAborted(context);
  assert(reason instanceof DOMException && reason.name === "TimeoutError");
});

Deno.test("RequestContext.signal aborts at once if the deadline has passed", async () => {
  using context = contextOf(request(-60_000));
  const reason = await whenAborted(context);
  assert(reason instanceof DOMException && reason.name === "TimeoutError");
});

Deno.test("RequestContext.signal survives a deadline beyond all timers", async () => {
  using context = contextOf(request(2 ** 40));
  const { signal } = context;
  // A timer that is too long fires as the next one does.
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertFalse(signal.aborted);
});

Deno.test("RequestContext.abort() holds for a signal that is read later", () => {
  using context = contextOf(request(60_000));
  const reason = new Error("enough");
  context.abort(reason);
  context.abort(new Error("more than enough"));
  assert(context.signal.aborted);
  assertStrictEquals(context.signal.reason, reason);
});

Deno.test("RequestContext.prolong() waits for the most patient caller", async () => {
  using context = contextOf(request(60_000, 5));
  const { signal } = context;
  context.prolong(request(60_000, 20_000));
  context.prolong(request(60_000, 10));
  await new Promise((resolve) => setTimeout(resolve, 15));
  assertFalse(signal.aborted);
  assertEquals(leftOf(context), 20_000);
});

Deno.test("RequestContext.prolong() waits for ever if one caller does", () => {
  using context = contextOf(request(60_000));
  assertFalse(context.signal.aborted);
  context.prolong(request());
  assertEquals(context.deadline, undefined);
});

Deno.test("RequestContext leaves no timer behind when it is over", () => {
  const context = contextOf(request(60_000));
  assertFalse(context.signal.aborted);
  context[Symbol.dispose]();
  // The test's own sanitizer finds a timer that starts now.
  context.prolong(request(30_000));
  assertFalse(context.signal.aborted);
  const unread = contextOf(request(60_000));
  unread[Symbol.dispose]();
  assertFalse(unread.signal.aborted);
});

Deno.test("RequestContext.throwIfCancelled() sees the deadline without a signal", async () => {
  using context = contextOf(request(60_000, 20));
  context.throwIfCancelled();
  await new Promise((resolve) => setTimeout(resolve, 25));
  assertThrows(() => context.throwIfCancelled(), DOMException, "deadline");
  assertEquals(context.signal.aborted, true);
});
