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

import type { CallContext, Handler, StandardSchema } from "../contract.ts";
import { type SchemaOutput, validate, whenSettled } from "../internal/validate.ts";

export type {
  CallContext,
  Handler,
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaResult,
} from "../contract.ts";
export type { SchemaOutput, ValidationDetails, ValidationIssue } from "../internal/validate.ts";

/** What a schema accepts: what callers send. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<
  Schema["~standard"]["types"]
>["input"];

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

function checkSchema(part: string, schema: unknown): void {
  // arktype's schemas are functions.
  const mayHaveMembers = typeof schema === "object" || typeof schema === "function";
  if (mayHaveMembers && schema !== null && "~standard" in schema) return;
  throw new TypeError(
    `Cannot define a procedure as its "${part}" is not a Standard Schema: it is ${typeof schema}`,
  );
}
