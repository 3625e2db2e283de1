/** Procedures whose outputs, errors, items and progress are as large as they are told. @module */

import type { CallContext } from "../../mod.ts";

/** Handlers for the calls that a broker with a low limit makes guilty. */
export const oversizeHandlers = {
  grow: (bytes: number): string => "x".repeat(bytes),
  failAtLength: (bytes: number): never => {
    throw Object.assign(new Error("too long"), { details: "x".repeat(bytes) });
  },
  *pour(bytes: number): Generator<string> {
    for (;;) yield "x".repeat(bytes);
  },
  tellAtLength: (bytes: number, context: CallContext): string => {
    context.progress("x".repeat(bytes));
    return "told";
  },
};
