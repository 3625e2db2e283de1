/** Spans of calls. @module */

import {
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "../../deps/opentelemetry_api.ts";
import { RpcError } from "../../errors.ts";
import type { ClientInterceptor, InterceptedCall } from "../../options/interceptors.ts";
import { callerLabel, labelsIn, OK, type ProcedureLabels } from "../metrics/procedure_labels.ts";
import { CallMetrics, callTracer, statusAttributes } from "./call_metrics.ts";
import { withTraceHeaders } from "./trace_headers.ts";

/** Stands for `undefined`, if that is what was thrown. */
const NO_REASON = Symbol("no reason");

/**
 * Makes an interceptor for a client: each call is a span of the kind CLIENT, under the one that is
 * active where the call is made; each notification one of the kind PRODUCER. Their requests carry the
 * trace in the headers `traceparent`, `tracestate` and `baggage`, if the program propagates them. The
 * metric `rpc.client.call.duration` is theirs, too.
 *
 * @returns The interceptor; best the first of them.
 */
export function instrumentCalls(): ClientInterceptor {
  const metrics = new CallMetrics("client");
  const names = new Map<string, ProcedureLabels>();
  return async (call, next) => {
    const startedAt = performance.now();
    const parent = context.active();
    const span = startSpan(call);
    const inner = trace.setSpan(parent, span);
    let error: unknown;
    try {
      const headers = withTraceHeaders(call.headers, inner);
      return await context.with(inner, () => next({ headers }));
    } catch (thrown) {
      error = thrown ?? NO_REASON;
      throw thrown;
    } finally {
      endSpan(span, error);
      const label = labelsIn(names, call.queue).labelOf(call.procedure, true);
      const method = `${call.queue}/${label}`;
      metrics.add(method, callerLabel(error), startedAt);
    }
  };
}

function startSpan({ kind, procedure, queue, correlationId }: InterceptedCall): Span {
  const isNotification = kind === "notify";
  return callTracer().startSpan(isNotification ? `send ${queue}` : `${queue}/${procedure}`, {
    kind: isNotification ? SpanKind.PRODUCER : SpanKind.CLIENT,
    attributes: {
      "rpc.system.name": "warren",
      "rpc.method": `${queue}/${procedure}`,
      "messaging.system": "rabbitmq",
      "messaging.operation.name": "publish",
      "messaging.operation.type": "send",
      "messaging.destination.name": queue,
      "messaging.message.conversation_id": correlationId,
    },
  });
}

function endSpan(span: Span, error: unknown): void {
  const status = callerLabel(error);
  span.setAttributes(statusAttributes(status));
  if (status !== OK) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: status });
    const phase = error instanceof RpcError ? error.call?.phase : undefined;
    if (phase !== undefined) span.setAttribute("warren.phase", phase);
  }
  span.end();
}
