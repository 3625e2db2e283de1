/** What a function that runs a procedure says of itself, for whoever describes its server. @module */

import type { StandardSchema } from "../contract.ts";

/** The schemas of a procedure, and the function that they are for. */
export interface ProcedureNotes {
  readonly input?: StandardSchema | undefined;
  readonly output?: StandardSchema | undefined;
  readonly item?: StandardSchema | undefined;
  readonly progress?: StandardSchema | undefined;
  /** Of the details of its errors, by their codes. */
  readonly errors?: Readonly<Record<string, StandardSchema>> | undefined;
  readonly description?: string | undefined;
  readonly meta?: Readonly<Record<string, unknown>> | undefined;
  readonly handler: unknown;
}

/** Registered, as functions may come from another copy of this package. */
const NOTES = Symbol.for("@warren/rpc.procedure-notes");

/**
 * Notes the schemas of a procedure on the function that heeds them.
 *
 * @typeParam Run The type of the function.
 * @returns The function.
 */
export function noteSchemas<Run extends object>(notes: ProcedureNotes, run: Run): Run {
  return Object.defineProperty(run, NOTES, { value: notes });
}

/** Reads what is noted on a function; nothing but the function itself, if nothing is. */
export function readProcedureNotes(run: unknown): ProcedureNotes {
  // Only this file knows the symbol, unless another copy has written the same.
  if (typeof run === "function" && NOTES in run) return run[NOTES] as ProcedureNotes;
  return { handler: run };
}

/** Notes on a function what is noted on the one that it stands for. */
export function copyNotes<Run extends object>(from: object, to: Run): Run {
  return NOTES in from ? Object.defineProperty(to, NOTES, { value: from[NOTES] }) : to;
}
