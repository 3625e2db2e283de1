import { fc } from "../../deps/fast_check.ts";
import { assert, assertEquals, assertFalse, assertStrictEquals } from "../../deps/std_assert.ts";
import * as errors from "../../errors.ts";
import {
  describeError,
  MAX_MESSAGE_CHARS,
  readErrorDescription,
  RpcError,
  RpcRemoteError,
  RpcTimeoutError,
} from "../../errors.ts";
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
