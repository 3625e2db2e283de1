/** Spans of requests. @module */

import type { Body } from "../../codec.ts";
import {
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "../../deps/opentelemetry_api.ts";
import { isRpcError } from "../../errors.ts";
import { checkName, checkType } from "../../internal/check.ts";
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
  const { trustContext = true } = options;
  checkName("instrument requests", { queue });
  checkType("instrument requests", { trustContext }, "boolean");
  const metrics = new CallMetrics("server");
  const names = new ProcedureLabels();
  return async (request, next) => {
    const startedAt = performance.now();
    const caller = readTraceHeaders(request.headers);
    const parent = trustContext ? caller : ROOT_CONTEXT;
    const span = startSpan(request, { queue, parent, caller });
    const inner = trace.setSpan(parent, span);
    let ending: Ending = { status: "handler-error", isServed: false };
    try {
      const headers = withTraceHeaders(request.headers, inner);
      const reply = await context.with(inner, () => next({ headers }));
      ending = endingOf(reply);
      return reply;
    } catch (error) {
      const status = codeLabel(isRpcError(error) ? error.code : undefined);
      ending = { status, isServed: status === "worker-crashed" };
      throw error;
    } finally {
      const label = names.labelOf(request.procedure, ending.isServed);
      const method = `${queue}/${label}`;
      endSpan(span, { request, method, isOther: label === OTHER, status: ending.status });
      metrics.add(method, ending.status, startedAt);
    }
  };
}

/** How a request has ended. */
interface Ending {
  readonly status: string;
  /** Whether its procedure is one that there is. */
  readonly isServed: boolean;
}

/** Where a span belongs. */
interface Place {
  readonly queue: string;
  readonly parent: Context;
  /** What the headers say, believed or not. */
  readonly caller: Context;
}

function startSpan(request: InterceptedRequest, { queue, parent, caller }: Place): Span {
  const { procedure = OTHER, correlationId, redeliveries, wantsReply } = request;
  const method = `${queue}/${procedure}`;
  const link = parent === caller ? undefined : trace.getSpanContext(caller);
  return callTracer().startSpan(wantsReply ? method : `process ${queue}`, {
    kind: wantsReply ? SpanKind.SERVER : SpanKind.CONSUMER,
    attributes: {
      "rpc.system.name": "warren",
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

function endingOf(reply: InterceptedReply): Ending {
  if (reply?.type !== "error") return { status: OK, isServed: true };
  const status = codeLabel(readCode(reply.body));
  return { status, isServed: status !== "unknown-procedure" };
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

/** What is known of a request at its end. */
interface EndedRequest {
  readonly request: InterceptedRequest;
  readonly method: string;
  readonly isOther: boolean;
  readonly status: string;
}

/** Names that strangers choose are not what spans are found by. */
function endSpan(span: Span, { request, method, isOther, status }: EndedRequest): void {
  const { procedure, wantsReply } = request;
  if (isOther) {
    if (wantsReply) span.updateName(method);
    if (procedure !== undefined) span.setAttribute("rpc.method_original", procedure);
  }
  // Only now, as an attribute that is set again is there twice in Deno's spans.
  span.setAttribute("rpc.method", method);
  span.setAttributes(statusAttributes(status));
  if (status !== OK && !CALLER_CAUSED.has(status)) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: status });
  }
  span.end();
}
