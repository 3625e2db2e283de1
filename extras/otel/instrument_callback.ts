/** Spans of callbacks by name. @module */

import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "../../deps/opentelemetry_api.ts";
import { checkName, checkType } from "../../internal/check.ts";
import type { NamedCallback } from "../../options/client_options.ts";
import { callerLabel, codeLabel, OK } from "../metrics/procedure_labels.ts";
import { callTracer, statusAttributes } from "./call_metrics.ts";
import { messagingAttributes } from "./messaging.ts";
import { readTraceHeaders } from "./trace_headers.ts";

/**
 * Puts a span of the kind CONSUMER around a callback by name, for `registerCallback()`. It is below
 * what was active when the call was made. If the client was started anew since then, the span begins
 * a trace of its own, with a link to the request: that trace is over, perhaps for days.
 *
 * @param queue The client's queue, after which the span is called.
 * @param callback The callback.
 * @returns The callback with a span around it.
 * @throws {TypeError} If the queue is no name of a queue, or the callback no function.
 */
export function instrumentCallback(queue: string, callback: NamedCallback): NamedCallback {
  checkName("instrument a callback", { queue });
  checkType("instrument a callback", { callback }, "function");
  return async (result, reply) => {
    const earlier = reply.trace && readTraceHeaders({ traceparent: reply.trace });
    const link = earlier && trace.getSpanContext(earlier);
    const parent = reply.trace === undefined ? context.active() : ROOT_CONTEXT;
    const status = result.ok ? OK : callerLabel(result.error);
    const span = callTracer().startSpan(`process ${queue}`, {
      kind: SpanKind.CONSUMER,
      attributes: {
        "rpc.system.name": "warren",
        "rpc.method": `${queue}/${reply.procedure}`,
        ...statusAttributes(status),
        ...messagingAttributes(queue, "process"),
        "messaging.message.conversation_id": reply.correlationId,
      },
      ...(link && { links: [{ context: link }] }),
    }, parent);
    try {
      return await context.with(trace.setSpan(parent, span), () => callback(result, reply));
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
