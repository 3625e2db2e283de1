/** Checks values against schemas, and says what is wrong with them. @module */

import { formatPath } from "../codec.ts";
import type { CallContext, StandardSchema, StandardSchemaIssue } from "../contract.ts";
import { RpcError } from "../errors.ts";
import { toPrintable } from "./text.ts";

/** What a schema makes of what it accepts: what handlers get. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<
  Schema["~standard"]["types"]
>["output"];

/** One thing that is wrong with an input, an output or progress, in a form that any codec carries. */
export interface ValidationIssue {
  /** What is wrong, at most 500 characters. */
  readonly message: string;
  /** Keys and indexes that lead to the place; empty for the whole value. At most 32. */
  readonly path: readonly (string | number)[];
}

/** The `details` of an error with the code `invalid-input` or `invalid-output`. */
export interface ValidationDetails {
  /** What is wrong: the first 20 issues. */
  readonly issues: readonly ValidationIssue[];
}

/** What is checked, for the error of a value that does not match. */
export interface ValidationSubject {
  /** The procedure that was called. */
  readonly procedure: string;
  /** Which of its values it is: it decides the error's code. */
  readonly part: "input" | "output" | "progress";
}

/** An error reply is to stay small, however wrong a value is. */
const MAX_ISSUES = 20;
const MAX_ISSUE_CHARS = 500;
const MAX_PATH_PARTS = 32;

/**
 * Checks a value against a schema.
 *
 * @typeParam Schema The schema.
 * @param schema The schema.
 * @param value The value.
 * @param subject What the value is, for the error.
 * @returns What the schema makes of the value; a promise only if the schema is asynchronous.
 * @throws {RpcError} `invalid-input` or `invalid-output`, with {@linkcode ValidationDetails}.
 */
export function validate<Schema extends StandardSchema>(
  schema: Schema,
  value: unknown,
  subject: ValidationSubject,
): SchemaOutput<Schema> | Promise<SchemaOutput<Schema>> {
  return whenSettled(schema["~standard"].validate(value), (result) => {
    if (result.issues === undefined) return result.value;
    throw invalid(result.issues, subject);
  });
}

/** Goes on at once with a value, and later with a promise. */
export function whenSettled<Value, Next>(
  value: Value | Promise<Value>,
  next: (value: Value) => Next | Promise<Next>,
): Next | Promise<Next> {
  return isPromise(value) ? value.then(next) : next(value);
}

function isPromise<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function invalid(
  issues: readonly StandardSchemaIssue[],
  { procedure, part }: ValidationSubject,
): RpcError {
  const details: ValidationDetails = { issues: issues.slice(0, MAX_ISSUES).map(toPlainIssue) };
  const shown = details.issues.slice(0, 3).map(describeIssue).join("; ");
  const more = issues.length > 3 ? `; and ${issues.length - 3} more` : "";
  return new RpcError(
    part === "input" ? "invalid-input" : "invalid-output",
    `Cannot complete the call of "${procedure}" as its ${part} does not match the schema: ` +
      `${shown}${more}`,
    { details },
  );
}

function toPlainIssue({ message, path = [] }: StandardSchemaIssue): ValidationIssue {
  return {
    message: message.slice(0, MAX_ISSUE_CHARS),
    // Libraries have path classes of their own, which codecs refuse: hence a new array.
    path: Array.from(path).slice(0, MAX_PATH_PARTS).map(toPlainKey),
  };
}

function toPlainKey(part: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof part === "object" ? part.key : part;
  return typeof key === "number" && Number.isFinite(key) ? key : String(key);
}

function describeIssue({ message, path }: ValidationIssue): string {
  // Schemas quote the value that they refuse.
  return `${toPrintable(message)} at "${toPrintable(formatPath(path))}"`;
}

/**
 * Checks a value of a procedure. What a schema throws is for whoever keeps the server, not for callers:
 * it may be anything.
 */
export function check(schema: StandardSchema, value: unknown, subject: ValidationSubject): unknown {
  try {
    const valid = validate(schema, value, subject);
    return valid instanceof Promise ? valid.catch((error) => raise(error, subject)) : valid;
  } catch (error) {
    return raise(error, subject);
  }
}

function raise(thrown: unknown, { procedure, part }: ValidationSubject): never {
  if (thrown instanceof RpcError) throw thrown;
  const message = `Cannot complete the call of "${procedure}" as the schema of its ${part} failed`;
  const error = new RpcError("handler-error", message);
  // A cause would travel. A stack does not, unless the server is told to send stacks.
  const reason = thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
  error.stack = `${error.stack}\nCaused by: ${reason}`;
  throw error;
}

async function* checkItems(
  schema: StandardSchema,
  items: AsyncIterable<unknown> | Iterable<unknown>,
  subject: ValidationSubject,
): AsyncGenerator<unknown, void, undefined> {
  for await (const item of items) yield await check(schema, item, subject);
}

/** Checks an output, or each item of a stream. */
export function checkOutput(schema: StandardSchema, given: unknown, procedure: string): unknown {
  const subject = { procedure, part: "output" } as const;
  return isStream(given) ? checkItems(schema, given, subject) : check(schema, given, subject);
}

/** Checks each item of what must be a stream. */
export function checkStream(schema: StandardSchema, given: unknown, procedure: string): unknown {
  if (isStream(given)) return checkItems(schema, given, { procedure, part: "output" });
  const message = `Cannot complete the call of "${procedure}" as its handler must stream items`;
  throw new RpcError("invalid-output", `${message}: it gave ${typeof given}`);
}

/** Makes what the context of a handler has in place of its own `progress()`. */
export function checkedProgress(
  schema: StandardSchema,
  context: CallContext,
): Pick<CallContext, "progress"> {
  const { procedure } = context;
  return {
    progress(value) {
      const made = check(schema, value, { procedure, part: "progress" });
      const refusal = () =>
        `Cannot report progress of "${procedure}" as the schema of its progress is asynchronous`;
      context.progress(madeAtOnce(made, refusal));
    },
  };
}

/**
 * Takes what a schema has made, where nobody could wait for it.
 *
 * @param refusal Why a schema that is asynchronous cannot be used there.
 */
export function madeAtOnce(made: unknown, refusal: () => string): unknown {
  if (!(made instanceof Promise)) return made;
  // What it says comes too late; nobody else waits for it.
  made.catch(() => {});
  throw new TypeError(refusal());
}

/** Whether a handler gave a stream. */
export function isStream(given: unknown): given is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof given !== "object" || given === null) return false;
  return Symbol.asyncIterator in given || ("next" in given && Symbol.iterator in given);
}
