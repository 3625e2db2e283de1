/** Spans of handlers in workers. @module */

import type { CallContext } from "../../contract.ts";
import { context, SpanKind, SpanStatusCode, trace } from "../../deps/opentelemetry_api.ts";
import { codeLabel } from "../metrics/procedure_labels.ts";
import { callTracer } from "./call_metrics.ts";
import { readTraceHeaders } from "./trace_headers.ts";

/**
 * Puts a span of the kind INTERNAL around a function of a worker file, under the span of its request:
 * what the function calls, as `fetch()`, is below it. The server needs `instrumentRequests()`.
 *
 * @typeParam Input What the function takes.
 * @typeParam Output What it gives.
 * @param handler The function; no generator.
 * @returns The function with a span around it.
 *
 * @example A worker file (not run, as it is for workers only)
 * ```ts ignore
 * import { expose } from "@warren/rpc/workers/runtime";
 * import { instrumentHandler } from "@warren/rpc/otel";
 *
 * expose({ square: instrumentHandler((n: number) => n * n) });
 * ```
 */
export function instrumentHandler<Input, Output>(
  handler: (input: Input, context: CallContext) => Output | Promise<Output>,
): (input: Input, context: CallContext) => Promise<Output> {
  return async (input, call) => {
    const parent = readTraceHeaders(call.headers);
    const span = callTracer()
      .startSpan(`run ${call.procedure}`, { kind: SpanKind.INTERNAL }, parent);
    try {
      return await context.with(trace.setSpan(parent, span), () => handler(input, call));
    } catch (error) {
      const code = codeLabel(error instanceof Error && "code" in error ? error.code : undefined);
      span.setAttribute("error.type", code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: code });
      throw error;
    } finally {
      span.end();
    }
  };
}
