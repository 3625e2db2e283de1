/** What a server says of its procedures. @module */

import type { StandardSchema } from "../../contract.ts";
import { readProcedureNotes } from "../procedure_notes.ts";
import { openHandler } from "../running/encoded_handler.ts";
import { membersOf } from "../running/members.ts";
import type { ProcedureInfo } from "../protocol/control_question.ts";

/** All that is known of a procedure: more than operators are told, who may be anybody. */
export interface ProcedureDescription extends ProcedureInfo {
  /** JSON Schemas of the details of its errors, by their codes; of each that has one. */
  readonly errors?: Readonly<Record<string, unknown>>;
  /** What else its code says of it. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/**
 * Describes the procedures that some handlers run, for operators.
 *
 * @param handlers The handlers, in objects or not.
 * @param only The names of those that are served; absent means all.
 */
export function procedureInfos(handlers: object, only?: readonly string[]): ProcedureInfo[] {
  return describeProcedures(handlers, only).map(({ errors: _errors, meta: _meta, ...info }) =>
    info
  );
}

/** Describes the procedures that some handlers run, with all that is known of them. */
export function describeProcedures(
  handlers: object,
  only?: readonly string[],
): ProcedureDescription[] {
  const members = membersOf(handlers).filter(({ name }) => only?.includes(name) ?? true);
  return members.map(({ name, value: run }) => {
    const notes = readProcedureNotes(run);
    const { handler, input, output, item, errors, description, meta } = notes;
    const kind = item === undefined ? kindOf(handler) : "stream";
    const [inputSchema, outputSchema] = [
      jsonSchemaOf(input, "input"),
      jsonSchemaOf(item ?? output, "output"),
    ];
    return {
      name,
      ...(kind && { kind }),
      ...(typeof description === "string" && { description }),
      ...(inputSchema !== undefined && { input: inputSchema }),
      ...(outputSchema !== undefined && { output: outputSchema }),
      ...(errors !== undefined && { errors: errorSchemas(errors) }),
      ...(meta !== undefined && { meta }),
    };
  });
}

/** A code whose details have no JSON Schema is an error all the same: its details may be anything. */
function errorSchemas(
  errors: Readonly<Record<string, StandardSchema>>,
): Readonly<Record<string, unknown>> {
  // A schema sees details as they are thrown, and they are sent as that.
  return Object.fromEntries(
    Object.entries(errors).map(([code, schema]) => [code, jsonSchemaOf(schema, "input") ?? {}]),
  );
}

/** What a pool's worker runs is not known here. */
function kindOf(run: unknown): ProcedureInfo["kind"] {
  if (typeof run !== "function" || openHandler(run) !== undefined) return undefined;
  return /GeneratorFunction$/.test(run.constructor.name) ? "stream" : "call";
}

/**
 * What callers send is what the input schema takes, and what they get what the output schema gives.
 * Source: Standard JSON Schema 1. Not all that a schema can say has words in JSON Schema; and what is
 * not JSON, such as an example that is a bigint, must be found now, not when somebody asks.
 */
function jsonSchemaOf(schema: StandardSchema | undefined, part: "input" | "output"): unknown {
  const standard: object | undefined = schema?.["~standard"];
  if (standard === undefined || !("jsonSchema" in standard)) return undefined;
  const { jsonSchema } = standard;
  if (typeof jsonSchema !== "object" || jsonSchema === null || !(part in jsonSchema)) {
    return undefined;
  }
  // That it is a function shows when it is called.
  const convert = jsonSchema as Record<typeof part, (options: { target: string }) => unknown>;
  try {
    return toJson(convert[part]({ target: "draft-2020-12" }));
  } catch {
    return undefined;
  }
}

/** A copy that can be written as JSON whenever that is. */
function toJson(value: unknown): unknown {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? undefined : JSON.parse(text);
}
