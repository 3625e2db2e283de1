import { assert, assertEquals, assertFalse, assertThrows } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { CallbackTickets } from "../../../internal/calling/callback_tickets.ts";
import { Callbacks } from "../../../internal/calling/callbacks.ts";
import { resolveClientOptions } from "../../../internal/calling/client_settings.ts";
import { ReplyReader } from "../../../internal/calling/reply_reader.ts";
import type { CallResult } from "../../../caller.ts";
import type { NamedReply } from "../../../options/client_options.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

const tickets = new CallbackTickets(["a key of 16 bytes"], "billing");

function newCallbacks() {
  const failures: [string, unknown][] = [];
  const results: CallResult<unknown>[] = [];
  const reader = new ReplyReader(resolveClientOptions("amqp://127.0.0.1", { queue: "math" }));
  const refused: RpcError[] = [];
  const unknown: string[] = [];
  const callbacks = new Callbacks({
    reader,
    tickets,
    onFailure: (id, error) => failures.push([id, error]),
    onRefused: (_id, error) => refused.push(error),
    onUnknown: (name) => Promise.resolve(void unknown.push(name)),
  });
  const callback = (result: CallResult<unknown>) => results.push(result);
  return { callbacks, failures, results, refused, unknown, callback };
}

/** A call that ends so; says how often its reply was acknowledged. */
function callOf(reply: Promise<unknown>, { callback }: { callback?: string } = {}) {
  const acknowledged: string[] = [];
  const arriving = reply.then((output) =>
    fakeDelivery({
      body: new TextEncoder().encode(JSON.stringify(output)),
      onSettled: (way) => acknowledged.push(way),
    })
  );
  const call = {
    request: { procedure: "add", immediate: false, callback },
    report: () => ({ procedure: "add", queue: "math", elapsedMs: 0, phase: "replied" } as const),
    reply: arriving,
  };
  return { start: { start: () => call }, acknowledged };
}

const TICKET = {
  id: "7",
  name: "bill",
  context: { order: 7 },
  procedure: "add",
  queue: "math",
  immediate: false,
  startedAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
};

Deno.test("Callbacks runs a callback once, and never at once", async () => {
  const { callbacks, results, callback } = newCallbacks();
  const done = callbacks.run("1", callback, callOf(Promise.resolve(5)).start);
  assertEquals(results, []);
  await done;
  assertEquals(results, [{ ok: true, output: 5 }]);
  assertFalse(callbacks.remove("1"));
});

Deno.test("Callbacks hands on whatever a call rejects with", async () => {
  const { callbacks, results, callback } = newCallbacks();
  for (const reason of [new Error("m"), undefined, "text"]) {
    await callbacks.run("1", callback, callOf(Promise.reject(reason)).start);
    assertEquals(results.at(-1), { ok: false, error: reason });
  }
});

Deno.test("Callbacks hands on why a call could not be started, but not at once", async () => {
  const { callbacks, results, callback } = newCallbacks();
  const reason = new RpcError("closed", "Cannot complete the call as the client is closed");
  const start = () => {
    throw reason;
  };
  const done = callbacks.run("1", callback, { start });
  assertEquals(results, []);
  await done;
  assertEquals(results, [{ ok: false, error: reason }]);
});

Deno.test("Callbacks.remove() is in time until the outcome is there", async () => {
  const { callbacks, results, callback } = newCallbacks();
  const done = callbacks.run("1", callback, callOf(Promise.resolve(5)).start);
  assert(callbacks.remove("1"));
  assertFalse(callbacks.remove("1"));
  await done;
  assertEquals(results, []);
});

Deno.test("Callbacks reports callbacks that throw or reject", async () => {
  const { callbacks, failures } = newCallbacks();
  const { start } = callOf(Promise.resolve(5));
  await callbacks.run("1", () => {
    // deno-lint-ignore no-throw-literal -- users throw what they like
    throw "thrown";
  }, start);
  await callbacks.run("2", () => Promise.reject("rejected"), start);
  assertEquals(failures, [["1", "thrown"], ["2", "rejected"]]);
});

Deno.test("Callbacks acknowledges the reply of a named callback after it has run", async () => {
  const { callbacks, failures } = newCallbacks();
  const gate = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const { start, acknowledged } = callOf(Promise.resolve(5), { callback: "ticket" });
  const done = callbacks.run("1", async () => {
    started.resolve();
    await gate.promise;
    throw new Error("m");
  }, start);
  await started.promise;
  assertEquals(acknowledged, []);
  gate.resolve();
  await done;
  assertEquals([acknowledged.length, failures.length], [1, 1]);
});

Deno.test("Callbacks leaves the reply of a function's call alone", async () => {
  const { callbacks, callback } = newCallbacks();
  const { start, acknowledged } = callOf(Promise.resolve(5));
  await callbacks.run("1", callback, start);
  assertEquals(acknowledged, []);
});

Deno.test("Callbacks keeps an earlier reply until its callback is registered", async () => {
  const { callbacks } = newCallbacks();
  const acknowledged = Promise.withResolvers<void>();
  const seen: [CallResult<unknown>, NamedReply][] = [];
  const earlier = fakeDelivery({
    properties: { correlationId: "7" },
    body: new TextEncoder().encode("5"),
    onSettled: () => acknowledged.resolve(),
  });
  assert(callbacks.acceptEarlier(tickets.write(TICKET), earlier));
  callbacks.register("bill", (...args) => seen.push(args));
  await acknowledged.promise;
  const reply = { correlationId: "7", procedure: "add", context: { order: 7 } };
  assertEquals(seen, [[{ ok: true, output: 5 }, reply]]);
});

Deno.test("Callbacks takes no reply whose ticket is not its own", () => {
  const { callbacks, refused } = newCallbacks();
  const reply = fakeDelivery({ properties: { correlationId: "7" } });
  for (const text of ["", "{", "[]", '{"name":"bill"}']) {
    assertFalse(callbacks.acceptEarlier(text, reply));
  }
  assertEquals(refused.map(({ code }) => code), Array(4).fill("protocol"));
  assertFalse(callbacks.acceptEarlier(tickets.write(TICKET), fakeDelivery()));
});

Deno.test("Callbacks hands on replies whose callback is not registered in time", async () => {
  using time = new FakeTime();
  const { callbacks, unknown } = newCallbacks();
  const replies = (count: number) =>
    Array.from(
      { length: count },
      (_, n) => fakeDelivery({ properties: { correlationId: `${n}` } }),
    );
  for (const reply of replies(300)) {
    const id = String(reply.properties.correlationId);
    assert(callbacks.acceptEarlier(tickets.write({ ...TICKET, id }), reply));
  }
  await time.advance(4_000);
  assertEquals(unknown.length, 0);
  await time.advance(1_001);
  assertEquals(unknown, Array(300).fill("bill"));
  // From then on nothing waits, until there is a callback of that name.
  const late = fakeDelivery({ properties: { correlationId: "late" } });
  callbacks.acceptEarlier(tickets.write({ ...TICKET, id: "late" }), late);
  await time.advance(0);
  assertEquals(unknown.length, 301);
});

Deno.test("Callbacks runs a callback once for two deliveries of a reply", async () => {
  const { callbacks } = newCallbacks();
  const gate = Promise.withResolvers<void>();
  const settled: number[] = [];
  let runs = 0;
  callbacks.register("bill", () => {
    runs++;
    return gate.promise;
  });
  const both = [1, 2].map((number) => {
    const done = Promise.withResolvers<void>();
    const reply = fakeDelivery({
      properties: { correlationId: "7" },
      body: new TextEncoder().encode("5"),
      onSettled: () => done.resolve(void settled.push(number)),
    });
    assert(callbacks.acceptEarlier(tickets.write(TICKET), reply));
    return done.promise;
  });
  assertEquals(settled, []);
  gate.resolve();
  await Promise.all(both);
  assertEquals([runs, settled], [1, [1, 2]]);
});

Deno.test("Callbacks has one callback for a name, and binds no other", () => {
  const { callbacks, callback } = newCallbacks();
  callbacks.register("bill", callback);
  assertThrows(() => callbacks.register("bill", callback), TypeError, '"bill"');
  // JavaScript callers have no compiler to tell them.
  const register = callbacks.register.bind(callbacks) as (...args: unknown[]) => void;
  const message = 'Cannot register a callback as "callback" must be a function: current value is';
  assertThrows(() => register("new"), TypeError, `${message} undefined`);
  assertThrows(() => register(5, callback), TypeError, '"name" must be a text');
  const reply = { correlationId: "7", procedure: "add", context: undefined };
  assertThrows(() => callbacks.bind("other", reply), TypeError, '"other" is not registered');
});
