/** The options of calls, whatever is called: checked, with their defaults. @module */

import type { BatchOptions, CallCallback, CallOptions, StreamOptions } from "../../caller.ts";
import {
  checkInteger,
  checkName,
  checkNumber,
  checkOptions,
  checkSignal,
  checkType,
  wrongValue,
} from "../check.ts";
import { MAX_CREDITS } from "../encoded_reply.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";

const TIMEOUT_BOUNDS = { min: 1, max: MAX_TIMEOUT_MS };

const NO_SIGNALS: readonly AbortSignal[] = [];

/**
 * Checks the options of a call, a stream or a notification. Most calls have none or one, so that
 * only those which are there are looked at.
 *
 * @param action What cannot be done otherwise.
 * @throws {TypeError} If an option cannot be used.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function checkCallOptions(action: string, options: CallOptions): void {
  checkOptions(action, options);
  const { timeoutMs, signal, context, idempotent, immediate } = options;
  const { priority, onProgress, idempotencyKey, onReply } = options;
  if (timeoutMs !== undefined) checkInteger(action, { timeoutMs }, TIMEOUT_BOUNDS);
  if (signal !== undefined) checkSignal(action, { signal });
  if (context !== undefined) checkContext(action, context);
  if (idempotent !== undefined) checkType(action, { idempotent }, "boolean");
  if (immediate !== undefined) checkType(action, { immediate }, "boolean");
  if (priority !== undefined) checkInteger(action, { priority }, { min: 0, max: 9 });
  if (onProgress !== undefined) checkType(action, { onProgress }, "function");
  if (idempotencyKey !== undefined) checkName(action, { idempotencyKey });
  if (onReply !== undefined) checkType(action, { onReply }, "function");
}

/** Options of one call that are none of a batch. */
const NO_BATCH_OPTIONS = [
  "idempotencyKey",
  "idempotent",
  "immediate",
  "priority",
  "onProgress",
  "onReply",
] as const satisfies readonly Exclude<keyof CallOptions, keyof BatchOptions>[];

/**
 * Checks the options of a batch.
 *
 * @throws {TypeError} If an option cannot be used.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function checkBatchOptions(options: BatchOptions): void {
  checkOptions("call", options);
  const others: Readonly<Record<string, unknown>> = { ...options };
  for (const name of NO_BATCH_OPTIONS) {
    // One key for all would give all of them the output of the first, for example.
    const value = others[name];
    if (value !== undefined) throw new TypeError(wrongValue("call", [name, value], "left out"));
  }
  checkCallOptions("call", options);
  checkInteger("call", { concurrency: options.concurrency }, { min: 1 });
}

/**
 * Checks what a batch calls with.
 *
 * @throws {TypeError} If it cannot be read one after the other.
 */
export function checkInputs(inputs: unknown): void {
  const hasItems = typeof inputs === "string" || typeof inputs === "object" && inputs !== null &&
      (Symbol.iterator in inputs || Symbol.asyncIterator in inputs);
  if (hasItems) return;
  const kind = "a list, an iterable or an async iterable";
  throw new TypeError(wrongValue("call", ["inputs", inputs], kind));
}

function checkContext(action: string, context: NonNullable<CallOptions["context"]>): void {
  checkType(action, { context }, "object");
  checkNumber(action, { "context.deadline": context.deadline }, { min: 0 });
  if (context.signal !== undefined) checkSignal(action, { "context.signal": context.signal });
}

/**
 * Checks and completes what a stream has beside the options of a call.
 *
 * @param options The options of the stream.
 * @param defaultMs Longest wait for an item unless told otherwise, in milliseconds.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveStreamOptions(
  { credits = 64, idleTimeoutMs }: StreamOptions,
  defaultMs: number,
): { readonly credits: number; readonly idleTimeoutMs: number } {
  checkInteger("stream", { credits }, { min: 1, max: MAX_CREDITS });
  checkInteger("stream", { idleTimeoutMs }, TIMEOUT_BOUNDS);
  return { credits, idleTimeoutMs: idleTimeoutMs ?? defaultMs };
}

/**
 * Tells how long a call has, which is no longer than the call that it is made for.
 *
 * @param options The options of the call.
 * @param defaultMs The time of a call that does not say so itself, in milliseconds.
 */
export function timeLeftMs(
  { timeoutMs, context }: Pick<CallOptions, "timeoutMs" | "context">,
  defaultMs: number,
): number {
  const limitMs = timeoutMs ?? defaultMs;
  if (context?.deadline === undefined) return limitMs;
  return Math.max(1, Math.min(limitMs, Math.ceil(context.deadline - Date.now())));
}

/** The signals that end a call. */
export function signalsOf(
  { signal, context }: Pick<CallOptions, "signal" | "context">,
): readonly AbortSignal[] {
  if (signal === undefined && context === undefined) return NO_SIGNALS;
  return [signal, context?.signal].filter((signal) => signal !== undefined);
}

/** The arguments of `callAsync()` after the procedure's name, with the input. */
export type AsyncArguments<Options = CallOptions> = [
  input: unknown,
  callback: CallCallback<unknown> | string,
  options?: Options | undefined,
];

/**
 * Fills in the input of a `callAsync()` that was left out before a function.
 *
 * @typeParam Options The options of the call.
 * @param rest The arguments after the procedure's name.
 * @returns Input, callback and options. None of them is checked, as untyped callers give anything.
 */
export function withInput<Options = CallOptions>(
  rest: readonly unknown[],
): AsyncArguments<Options> {
  const [first, second] = rest;
  const hasInput = typeof first !== "function" || typeof second === "function" ||
    typeof second === "string";
  // What is not so is refused by whoever uses it.
  return (hasInput ? rest : [undefined, ...rest]) as AsyncArguments<Options>;
}
