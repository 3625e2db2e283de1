/** Spans of requests. @module */

import type { Body } from "../../codec.ts";
import {
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "../../deps/opentelemetry_api.ts";
import { isRpcError } from "../../errors.ts";
import { checkName, checkOptions, checkType } from "../../internal/check.ts";
import type {
  InterceptedReply,
  InterceptedRequest,
  ServerInterceptor,
} from "../../options/interceptors.ts";
import { codeLabel, OK, OTHER, ProcedureLabels } from "../metrics/procedure_labels.ts";
import { CallMetrics, callTracer, statusAttributes } from "./call_metrics.ts";
import { readTraceHeaders, withTraceHeaders } from "./trace_headers.ts";

/** Options of {@linkcode instrumentRequests}. */
export interface InstrumentRequestsOptions {
  /**
   * Whether a request is part of the trace that its headers name. Anybody who may publish to the queue
   * can name any: with `false`, each request begins a trace of its own, with a link to that one, and
   * its handler sees nothing of the caller's `tracestate` and `baggage`.
   *
   * @default {true}
   */
  readonly trustContext?: boolean;
}

/** What the caller has done wrong, or given up: the server is as it should be. */
const CALLER_CAUSED: ReadonlySet<string> = new Set([
  "cancelled",
  "expired",
  "idempotency-conflict",
  "invalid-input",
  "not-a-stream",
  "orphaned",
  "reply-to-refused",
  "undecodable",
  "unknown-procedure",
  "unwanted-stream",
]);

/**
 * Makes an interceptor for a server: each request is a span of the kind SERVER, under the span of its
 * caller that its headers name; each notification one of the kind CONSUMER. It is active while a
 * function handles the request; handlers in workers find it in `context.headers`, see
 * {@linkcode instrumentHandler}. The metric `rpc.server.call.duration` is theirs, too.
 *
 * @param queue The server's queue, which is part of the names of its procedures.
 * @param options Whom to believe.
 * @returns The interceptor; best the first of them.
 * @throws {TypeError} If the queue is no name of a queue, or an option is of the wrong kind.
 */
export function instrumentRequests(
  queue: string,
  options: InstrumentRequestsOptions = {},
): ServerInterceptor {
  checkOptions("instrument requests", options);
  const { trustContext = true } = options;
  checkName("instrument requests", { queue });
  checkType("instrument requests", { trustContext }, "boolean");
  const metrics = new CallMetrics("server");
  const names = new ProcedureLabels();
  return async (request, next) => {
    const startedAt = performance.now();
    const caller = readTraceHeaders(request.headers);
    const parent = trustContext ? caller : ROOT_CONTEXT;
    const label = names.labelOf(request.procedure, request.isKnown);
    const span = startSpan(request, { queue, label, parent, caller });
    const inner = trace.setSpan(parent, span);
    let status: string = "handler-error";
    try {
      const work = trustContext && isDropped(span, caller)
        ? () => next()
        : () => next({ headers: withTraceHeaders(request.headers, inner) });
      const reply = await context.with(inner, work);
      status = statusOf(reply);
      return reply;
    } catch (error) {
      status = codeLabel(isRpcError(error) ? error.code : undefined);
      throw error;
    } finally {
      endSpan(span, status);
      metrics.add(`${queue}/${label}`, status, startedAt);
    }
  };
}

/**
 * Whether nobody will see a span, nor that of the caller: then the headers may as well name the
 * caller's, as they do, and need not be written anew.
 */
function isDropped(span: Span, caller: Context): boolean {
  const callers = trace.getSpanContext(caller);
  return callers !== undefined && !isSampled(callers) && !isSampled(span.spanContext());
}

function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0;
}

/** Where a span belongs. */
interface Place {
  readonly queue: string;
  /** What its procedure is counted under: names that strangers choose are not what spans are found by. */
  readonly label: string;
  readonly parent: Context;
  /** What the headers say, believed or not. */
  readonly caller: Context;
}

function startSpan(request: InterceptedRequest, { queue, label, parent, caller }: Place): Span {
  const { procedure = OTHER, correlationId, redeliveries, wantsReply } = request;
  const method = `${queue}/${label}`;
  const link = parent === caller ? undefined : trace.getSpanContext(caller);
  return callTracer().startSpan(wantsReply ? method : `process ${queue}`, {
    kind: wantsReply ? SpanKind.SERVER : SpanKind.CONSUMER,
    attributes: {
      "rpc.system.name": "warren",
      "rpc.method": method,
      ...(label !== procedure && { "rpc.method_original": procedure }),
      "messaging.system": "rabbitmq",
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.destination.name": queue,
      ...(correlationId !== undefined && { "messaging.message.conversation_id": correlationId }),
      "warren.attempt": redeliveries + 1,
    },
    ...(link !== undefined && { links: [{ context: link }] }),
  }, parent);
}

function statusOf(reply: InterceptedReply): string {
  return reply?.type === "error" ? codeLabel(readCode(reply.body)) : OK;
}

/** What an error reply says is its code. */
function readCode(body: Body): unknown {
  try {
    const description: unknown = JSON.parse(
      typeof body === "string" ? body : new TextDecoder().decode(body),
    );
    const isObject = typeof description === "object" && description !== null;
    return isObject && "code" in description ? description.code : undefined;
  } catch {
    return undefined;
  }
}

function endSpan(span: Span, status: string): void {
  span.setAttributes(statusAttributes(status));
  if (status !== OK && !CALLER_CAUSED.has(status)) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: status });
  }
  span.end();
}
