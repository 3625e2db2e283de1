/** Checks values against schemas, and says what is wrong with them. @module */

import { formatPath } from "../codec.ts";
import type { StandardSchema, StandardSchemaIssue } from "../contract.ts";
import { RpcError } from "../errors.ts";
import { toPrintable } from "./text.ts";

/** What a schema makes of what it accepts: what handlers get. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<
  Schema["~standard"]["types"]
>["output"];

/** One thing that is wrong with an input or an output, in a form that any codec carries. */
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
  readonly part: "input" | "output";
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
    `invalid-${part}`,
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
