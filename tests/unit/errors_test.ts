import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals, assertFalse, assertStrictEquals } from "../../deps/std_assert.ts";
import * as errors from "../../errors.ts";
import { RpcError, RpcRemoteError, RpcTimeoutError } from "../../errors.ts";
import {
  describeError,
  MAX_MESSAGE_CHARS,
  readErrorDescription,
} from "../../internal/error_description.ts";
import type { CallReport, ErrorDescription } from "../../errors.ts";
import { jsonCodec } from "../../codec.ts";
import { jsonValues } from "../helpers/arbitraries.ts";

/** Errors as handlers throw them, and whatever else they may throw. */
const thrownValues = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
  fc.record({
    name: fc.anything(),
    message: fc.anything(),
    code: fc.anything(),
    details: fc.anything(),
    retryable: fc.anything(),
    stack: fc.anything(),
  }, { requiredKeys: [] }).map((properties) => {
    const error = new Error("original");
    for (const [name, value] of Object.entries(properties)) {
      Object.defineProperty(error, name, { value });
    }
    return error;
  }),
  fc.constantFrom(
    new Proxy(new Error(), { get: () => JSON.parse("unreadable") }),
    new Proxy({}, { getPrototypeOf: () => JSON.parse("unreadable") }),
    new AggregateError([new Error("inner")], "outer"),
    new DOMException("aborted", "AbortError"),
  ),
);

function isErrorClass(value: unknown): value is new (...args: never[]) => Error {
  return typeof value === "function" && value.prototype instanceof Error;
}

Deno.test("Every error class of errors.ts is named after itself", () => {
  const description = { name: "X", message: "m", code: "c" };
  const made = [
    new RpcError("closed", "m"),
    new RpcTimeoutError("add", 5),
    new RpcRemoteError("add", description),
  ];
  const classes = Object.values(errors).filter(isErrorClass);
  assertEquals(new Set<unknown>(classes), new Set<unknown>(made.map((error) => error.constructor)));
  for (const error of made) {
    assertEquals(error.name, error.constructor.name);
    assert(error instanceof RpcError && error instanceof Error);
  }
});

Deno.test("RpcError keeps its code, cause, details and retryable", () => {
  const cause = new Error("cause");
  const error = new RpcError("closed", "m", { cause, details: [1], retryable: true });
  assertStrictEquals(error.cause, cause);
  assertEquals([error.code, error.details, error.retryable], ["closed", [1], true]);
  const plain = new RpcError("closed", "m");
  assertEquals([plain.details, plain.retryable, "cause" in plain], [undefined, false, false]);
});

Deno.test("describeError() describes whatever is thrown and never throws", () => {
  fc.assert(
    fc.property(thrownValues, fc.boolean(), (thrown, includeStack) => {
      const { name, message, code, stack } = describeError(thrown, { includeStack });
      assertEquals([typeof name, typeof message, typeof code], ["string", "string", "string"]);
      assert(message.length <= MAX_MESSAGE_CHARS + 1);
      assert(stack === undefined || (includeStack && typeof stack === "string"));
    }),
    { numRuns: 500 },
  );
});

Deno.test("readErrorDescription() reads what describeError() wrote", () => {
  const texts = fc.string({ minLength: 1 });
  fc.assert(fc.property(texts, texts, texts, jsonValues, fc.boolean(), (...parts) => {
    const [name, message, code, details, retryable] = parts;
    const thrown = Object.assign(new Error(message), { name, code, details, retryable });
    const described = describeError(thrown);
    const read = readErrorDescription(jsonCodec.decode(jsonCodec.encode(described)));
    assertEquals(read, described);
    const remote = new RpcRemoteError("add", read);
    assertEquals([remote.message, remote.code, remote.remoteName], [message, code, name]);
    assertEquals(remote.retryable, retryable);
  }));
});

Deno.test("readErrorDescription() makes a whole of anything", () => {
  fc.assert(fc.property(jsonValues, (value) => {
    const { name, message, code } = readErrorDescription(value);
    assertEquals([typeof name, typeof message, typeof code], ["string", "string", "string"]);
  }));
});

Deno.test("describeError() keeps the stack to itself unless asked", () => {
  const error = new Error("m");
  assertFalse("stack" in describeError(error));
  assertStrictEquals(describeError(error, { includeStack: true }).stack, error.stack);
});

Deno.test("describeError() cuts messages that are too long", () => {
  const { message } = describeError(new Error("x".repeat(MAX_MESSAGE_CHARS + 1)));
  assertEquals(message, `${"x".repeat(MAX_MESSAGE_CHARS)}…`);
  assertEquals(describeError("x".repeat(MAX_MESSAGE_CHARS)).message.length, MAX_MESSAGE_CHARS);
});

/** Errors that are each the cause of the one before. */
function chain(length: number): Error {
  return length === 0 ? new Error("0") : new Error(`${length}`, { cause: chain(length - 1) });
}

function countErrors(description: ErrorDescription): number {
  const { cause, errors = [] } = description;
  return 1 + [...errors, ...(cause === undefined ? [] : [cause])]
    .reduce((count, error) => count + countErrors(error), 0);
}

Deno.test("describeError() bounds how many errors are behind an error", () => {
  assertEquals(countErrors(describeError(chain(8))), 9);
  assertEquals(countErrors(describeError(chain(100))), 9);
  const many = new AggregateError(Array.from({ length: 100 }, () => new AggregateError([1, 2, 3])));
  assertEquals(countErrors(describeError(many)), 33);
  const cyclic = new Error("its own cause");
  cyclic.cause = new AggregateError([cyclic, new Error("another", { cause: cyclic })]);
  assertEquals(countErrors(describeError(cyclic)), 3);
});

Deno.test("describeError() tells an error whose cause cannot be read", () => {
  const error = new Error("m");
  Object.defineProperty(error, "cause", { get: () => JSON.parse("unreadable") });
  assertEquals(describeError(error), { name: "Error", message: "m", code: "handler-error" });
});

Deno.test("readErrorDescription() bounds what another side sends of causes", () => {
  const nested = (depth: number): unknown => depth === 0 ? "end" : { cause: nested(depth - 1) };
  assertEquals(countErrors(readErrorDescription(nested(500))), 9);
  const wide = (depth: number): unknown =>
    depth === 0 ? {} : { errors: Array.from({ length: 50 }, () => wide(depth - 1)) };
  assertEquals(countErrors(readErrorDescription(wide(2))), 33);
  const { cause, errors } = readErrorDescription({
    cause: { message: "\u001b[2J", details: 1 },
    errors: "none",
  });
  const message = "\\u{1b}[2J";
  assertEquals(cause, { name: "Error", message, code: "handler-error" });
  assertEquals(errors, undefined);
});

Deno.test("describeError() tells stacks of causes only if it is asked", () => {
  const error = new Error("m", { cause: new Error("c") });
  assertFalse(JSON.stringify(describeError(error)).includes("errors_test.ts"));
  assert(describeError(error, { includeStack: true }).cause?.stack?.includes("errors_test.ts"));
});

Deno.test("describeError() tells of a thrown object what it says", () => {
  const thrown = { name: "Sold", message: "m", code: "sold-out", retryable: true, details: [1] };
  assertEquals(describeError(thrown), thrown);
  const { message, details } = describeError({ status: 404 });
  assertEquals([message, details], ["A handler threw an object without a message", {
    status: 404,
  }]);
  const { code } = describeError(new DOMException("aborted", "AbortError"));
  assertEquals(code, "handler-error");
});

Deno.test("RpcTimeoutError says where the time went, unless nothing is known of it", () => {
  const none = { backlogMs: 0, queuedMs: 0, runMs: 0, encodeMs: 0, transitMs: 0 };
  const messageOf = (parts: Partial<typeof none> & { unknownMs: number }) => {
    const timing = { ...none, totalMs: 500, ...parts };
    const report = { procedure: "add", queue: "math", elapsedMs: 500, phase: "queued", timing };
    const { message } = new RpcTimeoutError("add", 500, { call: report as CallReport });
    return message.split("its request was ")[1];
  };
  assertEquals(messageOf({ unknownMs: 500 }), "queued");
  assertEquals(
    messageOf({ queuedMs: 400, unknownMs: 100 }),
    "queued (queued 400 ms, unknown 100 ms)",
  );
});
