/**
 * Procedures that check their input, and their output, against schemas of any library that follows
 * {@link https://standardschema.dev | Standard Schema}: zod, valibot, arktype and others.
 *
 * Nothing of such a library is loaded here, so that workers load only the one that they use.
 *
 * @example A procedure with a schema
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { z } from "npm:zod@^4.0.0";
 * import { procedure } from "@warren/rpc/schema";
 *
 * const procedures = {
 *   area: procedure(
 *     { input: z.object({ width: z.number().positive(), height: z.number().positive() }) },
 *     ({ width, height }) => width * height,
 *   ),
 * };
 * type AreaContract = typeof procedures;
 * assertEquals(Object.keys(procedures), ["area"]);
 * ```
 *
 * @module
 */

import type { CallContext, Handler } from "../contract.ts";
import { RpcError } from "../errors.ts";
import { formatPath } from "../internal/plain_data.ts";

export type { CallContext, Handler } from "../contract.ts";

/**
 * The part of {@link https://standardschema.dev | Standard Schema} 1 that is used here. It is
 * declared and not imported, as its authors mean it to be: types alone need no package.
 *
 * @typeParam Input What the schema accepts.
 * @typeParam Output What it makes of it.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What schema libraries offer to everybody else. */
  readonly "~standard": {
    /** The version of the standard. */
    readonly version: 1;
    /** The name of the schema library. */
    readonly vendor: string;
    /** Checks a value. */
    readonly validate: (
      value: unknown,
    ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
    /** Only for the compiler: the types of what goes in and what comes out. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value: the value that it makes of it, or what is wrong with it. */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] };

/** One thing that is wrong with a value, as a schema library says it. */
export interface StandardSchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** Where in the value. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema accepts: what callers send. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<
  Schema["~standard"]["types"]
>["input"];

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

/** The schemas of a procedure. */
export interface ProcedureSchemas<
  Input extends StandardSchema,
  Output extends StandardSchema = StandardSchema,
> {
  /** Checks what callers send, before the handler runs. */
  readonly input: Input;
  /**
   * Checks what the handler returns, before it is sent.
   *
   * @default {undefined} Whatever the handler returns is sent.
   */
  readonly output?: Output;
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
 * Makes a handler that checks its input, and if asked its output, against a schema. It serves
 * anywhere that a handler does: in a server and in a worker.
 *
 * - Callers send what the schema accepts; the handler gets what the schema makes of it, so that a
 *   schema can fill in defaults, or turn a `number` into a `bigint`.
 * - The handler does not run if the input does not match.
 * - With schemas and a handler that are synchronous, so is the procedure.
 *
 * An input that does not match rejects the call with code `invalid-input`, an output with
 * `invalid-output`; both have {@linkcode ValidationDetails} as `details`. They are not retryable.
 *
 * @typeParam Input The schema of the input.
 * @typeParam Output The schema of the output.
 * @param schemas The schemas.
 * @param handler Runs with what the input schema makes of the input.
 * @returns The handler for a server, or for `expose()` in a worker.
 * @throws {TypeError} If a schema does not follow Standard Schema.
 */
export function procedure<Input extends StandardSchema, Output extends StandardSchema>(
  schemas: ProcedureSchemas<Input, Output> & { readonly output: Output },
  handler: Handler<SchemaOutput<Input>, SchemaInput<Output>>,
): Handler<SchemaInput<Input>, SchemaOutput<Output>>;
/**
 * Makes a handler that checks its input against a schema.
 *
 * @typeParam Input The schema of the input.
 * @typeParam Output What the handler returns.
 * @param schemas The schema of the input.
 * @param handler Runs with what the schema makes of the input.
 * @returns The handler for a server, or for `expose()` in a worker.
 * @throws {TypeError} If the schema does not follow Standard Schema.
 */
export function procedure<Input extends StandardSchema, Output>(
  schemas: { readonly input: Input },
  handler: Handler<SchemaOutput<Input>, Output>,
): Handler<SchemaInput<Input>, Output>;
export function procedure(
  { input: inputSchema, output: outputSchema }: ProcedureSchemas<StandardSchema>,
  handler: Handler<unknown>,
): Handler<unknown> {
  checkSchema("input", inputSchema);
  if (outputSchema !== undefined) checkSchema("output", outputSchema);
  return (input: unknown, context: CallContext) => {
    const { procedure } = context;
    const output = whenSettled(
      validate(inputSchema, input, { procedure, part: "input" }),
      (validInput) => handler(validInput, context),
    );
    if (outputSchema === undefined) return output;
    return whenSettled(
      output,
      (value) => validate(outputSchema, value, { procedure, part: "output" }),
    );
  };
}

/**
 * Checks a value against a schema.
 *
 * @typeParam Schema The schema.
 * @param schema The schema.
 * @param value The value.
 * @param subject What the value is, for the error.
 * @returns What the schema makes of the value; a promise only if the schema is asynchronous.
 * @throws {RpcError} `invalid-input` or `invalid-output`, with {@linkcode ValidationDetails}.
 *
 * @example What is wrong, and where
 * ```ts
 * import { assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
 * import { z } from "npm:zod@^4.0.0";
 * import { RpcError } from "@warren/rpc";
 * import { validate } from "@warren/rpc/schema";
 *
 * const schema = z.object({ tags: z.array(z.string()) });
 * const subject = { procedure: "find", part: "output" } as const;
 * const error = assertThrows(() => validate(schema, { tags: ["a", 2] }, subject), RpcError);
 * assertEquals(error.code, "invalid-output");
 * ```
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
function whenSettled<Value, Next>(
  value: Value | Promise<Value>,
  next: (value: Value) => Next | Promise<Next>,
): Next | Promise<Next> {
  return isPromise(value) ? value.then(next) : next(value);
}

function isPromise<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

function checkSchema(part: string, schema: unknown): void {
  // arktype's schemas are functions.
  const mayHaveMembers = typeof schema === "object" || typeof schema === "function";
  if (mayHaveMembers && schema !== null && "~standard" in schema) return;
  throw new TypeError(
    `Cannot define a procedure as its "${part}" is not a Standard Schema: it is ${typeof schema}`,
  );
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
  return `${message} at "${formatPath(path)}"`;
}
