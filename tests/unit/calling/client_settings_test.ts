import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { jsonCodec } from "../../../codec.ts";
import { msgpackCodec } from "../../../extras/msgpack/codec.ts";
import {
  checkBatchOptions,
  checkCallOptions,
  resolveStreamOptions,
} from "../../../internal/callers/call_options.ts";
import { resolveClientOptions } from "../../../internal/calling/client_settings.ts";

/** Options as an untyped caller may give them. */
type Untyped = Readonly<Record<string, unknown>>;

function settingsOf(options: Untyped) {
  return resolveClientOptions("amqp://127.0.0.1", { queue: "math", ...options });
}

/** Asserts that each of some options is refused, with that message. */
function assertRefused(
  check: (options: Untyped) => unknown,
  cases: readonly (readonly [Untyped, string])[],
): void {
  for (const [options, message] of cases) {
    const error = assertThrows(() => check(options), Error, undefined, message);
    assertEquals(error.message, message);
    const isRange = /must be (an integer|a number)/.test(message);
    assertEquals(error instanceof (isRange ? RangeError : TypeError), true, message);
  }
}

Deno.test("resolveClientOptions() takes reply queues whose names fit with their prefix", () => {
  for (const name of ["a", "x".repeat(231), "é".repeat(115)]) {
    settingsOf({ replyQueue: { name, expiresMs: 2 ** 32 - 1 } });
  }
  assertEquals(settingsOf({ replyQueue: "direct" }).replyQueue, "direct");
});

Deno.test("resolveClientOptions() refuses reply queues that there cannot be", () => {
  const kind = '"exclusive", "direct" or the name of a durable queue, as in { name: "billing" }';
  const one = `Cannot connect as "replyQueue" must be ${kind}: current value is`;
  const name =
    'Cannot connect as "replyQueue.name" must be a text of 1 to 231 bytes that does not end in ".parked" or ".lock":';
  const expiry =
    'Cannot connect as "replyQueue.expiresMs" must be an integer from 1 to 4294967295:';
  assertRefused((replyQueue) => settingsOf(replyQueue), [
    [{ replyQueue: "exclusiv" }, `${one} "exclusiv"`],
    [{ replyQueue: 5 }, `${one} 5`],
    [{ replyQueue: null }, `${one} null`],
    [{ replyQueue: {} }, `${name} current value is undefined`],
    [{ replyQueue: { name: "" } }, `${name} current value is ""`],
    [{ replyQueue: { name: "x".repeat(244) } }, `${name} current value is "${"x".repeat(80)}"`],
    [{ replyQueue: { name: "é".repeat(122) } }, `${name} current value is "${"é".repeat(80)}"`],
    [{ replyQueue: { name: "a", expiresMs: 0.5 } }, `${expiry} current value is 0.5`],
    [{ replyQueue: { name: "a", expiresMs: 0 } }, `${expiry} current value is 0`],
    [{ replyQueue: { name: "a", expiresMs: 2 ** 32 } }, `${expiry} current value is 4294967296`],
    [{ replyQueue: { name: "a", expiresMs: "1" } }, `${expiry} current value is "1"`],
  ]);
});

Deno.test("resolveClientOptions() takes direct reply-to where nothing is declared", () => {
  assertEquals(settingsOf({}).replyQueue, "exclusive");
  assertEquals(settingsOf({ declare: false }).replyQueue, "direct");
  settingsOf({ declare: false, replyQueue: { name: "billing" } });
  const kind = '"direct" or the name of a durable queue as "declare" is false';
  assertRefused((options) => settingsOf(options), [
    [
      { declare: false, replyQueue: "exclusive" },
      `Cannot connect as "replyQueue" must be ${kind}: current value is "exclusive"`,
    ],
    [
      { declare: false, replyQueue: { name: "billing", expiresMs: 1 } },
      'Cannot connect as "replyQueue.expiresMs" must be absent as "declare" is false: ' +
      "current value is 1",
    ],
    [{ declare: 0 }, 'Cannot connect as "declare" must be a boolean: current value is 0'],
  ]);
});

Deno.test("resolveClientOptions() refuses options that it cannot use, in one form", () => {
  const codec = "a codec, which has contentType, encode() and decode()";
  assertRefused((options) => settingsOf(options), [
    [
      { queue: "" },
      'Cannot connect as "queue" must be a text of 1 to 255 bytes: current value is ""',
    ],
    [
      { timeoutMs: Infinity },
      'Cannot connect as "timeoutMs" must be an integer from 1 to 2147483647: current value is Infinity',
    ],
    [
      { maxPending: "8" },
      'Cannot connect as "maxPending" must be an integer of at least 1: current value is "8"',
    ],
    [
      { maxBodyBytes: 0 },
      'Cannot connect as "maxBodyBytes" must be an integer of at least 1: current value is 0',
    ],
    [
      { codecs: jsonCodec },
      'Cannot connect as "codecs" must be a list of codecs: current value is an object',
    ],
    [
      { codecs: [msgpackCodec, {}] },
      `Cannot connect as "codecs[1]" must be ${codec}: current value is an object`,
    ],
    [
      { unknownCallbacks: "keep" },
      'Cannot connect as "unknownCallbacks" must be one of "park", "drop": current value is "keep"',
    ],
    [
      { callbackKeys: "secret" },
      'Cannot connect as "callbackKeys" must be a list of secret keys: it is none',
    ],
    [
      { callbackKeys: [] },
      'Cannot connect as "callbackKeys" must be a list of secret keys: it is empty',
    ],
    // No error shows a key.
    [
      { callbackKeys: ["short key"] },
      'Cannot connect as "callbackKeys[0]" must be a text or bytes, at least 16 long: it has 9',
    ],
    [
      { callbackKeys: ["a key of 16 chars", 5] },
      'Cannot connect as "callbackKeys[1]" must be a text or bytes, at least 16 long: it is neither',
    ],
    [{ outputs: 5 }, 'Cannot connect as "outputs" must be an object: current value is 5'],
    [
      { outputs: { add: {} } },
      'Cannot connect as "outputs.add" must be a Standard Schema: current value is an object',
    ],
    [{ inputs: 5 }, 'Cannot connect as "inputs" must be an object: current value is 5'],
    [
      { inputs: { add: 5 } },
      'Cannot connect as "inputs.add" must be a Standard Schema: current value is 5',
    ],
    [{ errors: null }, 'Cannot connect as "errors" must be an object: current value is null'],
    [
      { errors: { RangeError: "x" } },
      'Cannot connect as "errors.RangeError" must be a function: current value is "x"',
    ],
    [{ onEvent: true }, 'Cannot connect as "onEvent" must be a function: current value is true'],
  ]);
});

Deno.test("resolveClientOptions() has the first codec write, and all of them read", () => {
  assertEquals([settingsOf({}).codec, settingsOf({}).codecs], [jsonCodec, []]);
  const { codec, codecs } = settingsOf({ codecs: [msgpackCodec, jsonCodec] });
  assertEquals([codec, codecs], [msgpackCodec, [msgpackCodec, jsonCodec]]);
});

Deno.test("checkCallOptions() refuses options that it cannot use, in one form", () => {
  const timeout = 'Cannot call as "timeoutMs" must be an integer from 1 to 2147483647:';
  assertRefused((options) => checkCallOptions("call", options), [
    [{ timeoutMs: 2 ** 31 }, `${timeout} current value is 2147483648`],
    [{ timeoutMs: NaN }, `${timeout} current value is NaN`],
    [{ timeoutMs: "5" }, `${timeout} current value is "5"`],
    [{ signal: {} }, 'Cannot call as "signal" must be an AbortSignal: current value is an object'],
    [{ context: 5 }, 'Cannot call as "context" must be an object: current value is 5'],
    [
      { context: { deadline: NaN } },
      'Cannot call as "context.deadline" must be a number of at least 0: current value is NaN',
    ],
    [
      { context: { signal: "x" } },
      'Cannot call as "context.signal" must be an AbortSignal: current value is "x"',
    ],
    [{ idempotent: 0 }, 'Cannot call as "idempotent" must be a boolean: current value is 0'],
    [
      { immediate: "no" },
      'Cannot call as "immediate" must be a boolean: current value is "no"',
    ],
    [
      { priority: 10 },
      'Cannot call as "priority" must be an integer from 0 to 9: current value is 10',
    ],
    [
      { onProgress: 1n },
      'Cannot call as "onProgress" must be a function: current value is 1n',
    ],
    [
      { idempotencyKey: "" },
      'Cannot call as "idempotencyKey" must be a text of 1 to 255 bytes: current value is ""',
    ],
  ]);
  checkCallOptions("call", {});
});

Deno.test("Options of streams and batches are refused in the same form", () => {
  assertRefused((options) => resolveStreamOptions(options, 30_000), [
    [
      { credits: 1_001 },
      'Cannot stream as "credits" must be an integer from 1 to 1000: current value is 1001',
    ],
    [
      { idleTimeoutMs: -1 },
      'Cannot stream as "idleTimeoutMs" must be an integer from 1 to 2147483647: current value is -1',
    ],
  ]);
  assertRefused((options) => checkBatchOptions(options), [
    [
      { concurrency: "many" },
      'Cannot call as "concurrency" must be an integer of at least 1: current value is "many"',
    ],
    [{ signal: 5 }, 'Cannot call as "signal" must be an AbortSignal: current value is 5'],
  ]);
  assertEquals(resolveStreamOptions({}, 7), { credits: 64, idleTimeoutMs: 7 });
});

Deno.test("resolveClientOptions() completes how calls share messages, and refuses what cannot be", () => {
  const whole = { maxCalls: 256, maxBytes: 65_536, maxDelayMs: 0 };
  assertEquals(settingsOf({}).batching, undefined);
  assertEquals(settingsOf({ batching: false }).batching, undefined);
  assertEquals(settingsOf({ batching: true }).batching, whole);
  assertEquals(settingsOf({ batching: { maxDelayMs: 2 } }).batching, { ...whole, maxDelayMs: 2 });
  const wrong = [
    [{ maxCalls: 1 }, RangeError, '"batching.maxCalls" must be an integer from 2 to 1000'],
    [{ maxBytes: 0 }, RangeError, '"batching.maxBytes" must be an integer of at least 1'],
    [{ maxDelayMs: -1 }, RangeError, '"batching.maxDelayMs" must be'],
    ["yes", TypeError, '"batching" must be'],
  ] as const;
  for (const [batching, kind, message] of wrong) {
    assertThrows(() => settingsOf({ batching }), kind, message);
  }
});

Deno.test("resolveClientOptions() takes a default for what is undefined, also within an option", () => {
  const nothing = { maxCalls: undefined, maxBytes: undefined, maxDelayMs: undefined };
  const { batching } = settingsOf({ batching: nothing });
  assertEquals(batching, settingsOf({ batching: true }).batching);
  const { replyQueue } = settingsOf({ replyQueue: { name: "billing", expiresMs: undefined } });
  assertEquals(replyQueue, settingsOf({ replyQueue: { name: "billing" } }).replyQueue);
});
