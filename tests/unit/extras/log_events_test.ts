import { assert, assertEquals, assertMatch, assertThrows } from "../../../deps/std_assert.ts";
import { logEvents, type LogEventsOptions } from "../../../extras/log_events.ts";
import { RpcError } from "../../../errors.ts";

const cause = new TypeError("of a\nfew lines");
const error = new RpcError("timeout", "Cannot go on\u001b[31m", { cause });
const event = { type: "abandoned", procedure: "add two", slot: 3, runMs: 1.23456, error };

function linesOf(options: LogEventsOptions, ...events: readonly { readonly type: string }[]) {
  const lines: string[] = [];
  const observe = logEvents({ ...options, write: (line) => lines.push(line) });
  for (const event of events) observe(event);
  return lines;
}

Deno.test("logEvents() writes one JSON object for each event", () => {
  const [line = "", other] = linesOf({ format: "json", name: "math" }, event);
  assertEquals(other, undefined);
  const { time, ...rest } = JSON.parse(line);
  assert(!Number.isNaN(Date.parse(time)));
  assertEquals(rest, {
    name: "math",
    type: "abandoned",
    procedure: "add two",
    slot: 3,
    runMs: 1.235,
    error: {
      name: "RpcError",
      code: "timeout",
      message: "Cannot go on\\u{1b}[31m",
      cause: { name: "TypeError", message: "of a\\u{a}few lines" },
    },
  });
});

Deno.test("logEvents() writes a line for people, which no terminal acts on", () => {
  const lines = linesOf({ format: "human" }, event, { type: "connected" });
  assertEquals(lines.length, 2);
  assertMatch(
    lines[0] ?? "",
    /^\d\d:\d\d:\d\d\.\d{3} abandoned procedure="add two" slot=3 runMs=1\.235 error="timeout: Cannot go on/,
  );
  // deno-lint-ignore no-control-regex -- that is the point
  assert(!/[\u0000-\u001f]/.test(lines.join("")));
  assertMatch(lines[1] ?? "", /^\S+ connected$/);
});

Deno.test("logEvents() leaves out what it is told to, and cuts what is long", () => {
  const filter = ({ type }: { readonly type: string }) => type !== "busy";
  const long = { type: "crashed", reason: "x".repeat(10_000) };
  const lines = linesOf({ format: "human", filter }, { type: "busy" }, long);
  assertEquals(lines.map((line) => line.length < 600), [true]);
});

Deno.test("logEvents() refuses options of the wrong kind", () => {
  // As untyped callers do.
  const options = { format: "xml" } as unknown as LogEventsOptions;
  assertThrows(() => logEvents(options), TypeError, '"format"');
});

Deno.test("logEvents() ends at errors that cause one another in a ring", () => {
  const ring = new Error("ring");
  ring.cause = ring;
  assertEquals(linesOf({ format: "json" }, { type: "unserved", error: ring } as never).length, 1);
});
