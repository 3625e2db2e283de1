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
  SettledOutcome,
} from "../../options/interceptors.ts";
import { codeLabel, OK, OTHER, ProcedureLabels } from "../metrics/procedure_labels.ts";
import { CallMetrics, callTracer, statusAttributes } from "./call_metrics.ts";
import {
  brokerAttributes,
  messagingAttributes,
  MessagingMetrics,
  startMessageSpan,
} from "./messaging.ts";
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
  /**
   * Whether the message of each request has spans of its own, too: `process math`, around the request,
   * and `ack math` or `nack math`. Messages are counted then: for those who look at a broker's other
   * programs, too.
   *
   * @default {false}
   */
  readonly messagingSpans?: boolean;
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

/** The span of the run that a reply is of, as long as somebody may get that reply, too. */
const runs = new WeakMap<InterceptedReply, SpanContext>();

/**
 * Makes an interceptor for a server: each request is a span of the kind SERVER, under the span of its
 * caller that its headers name, until it is settled; each notification one of the kind CONSUMER. It is
 * active while a function handles the request; handlers in workers find it in `context.headers`, see
 * {@linkcode instrumentHandler}. The metric `rpc.server.call.duration` is theirs, too.
 *
 * @param queue The server's queue, which is part of the names of its procedures.
 * @param options Whom to believe, and what else there is to be a span.
 * @returns The interceptor; best the first of them.
 * @throws {TypeError} If the queue is no name of a queue, or an option is of the wrong kind.
 */
export function instrumentRequests(
  queue: string,
  options: InstrumentRequestsOptions = {},
): ServerInterceptor {
  checkOptions("instrument requests", options);
  const { trustContext = true, messagingSpans = false } = options;
  checkName("instrument requests", { queue });
  checkType("instrument requests", { trustContext, messagingSpans }, "boolean");
  const metrics = new CallMetrics("server");
  const messages = messagingSpans ? new MessagingMetrics(queue) : undefined;
  const names = new ProcedureLabels();
  return async (request, next) => {
    const startedAt = performance.now();
    const place = placeOf(request, trustContext);
    const label = names.labelOf(request.procedure, request.isKnown);
    const message = messages && new TakenMessage(request, { queue, place, messages });
    const span = startSpan(request, { queue, label }, message?.place ?? place);
    const inner = trace.setSpan(place.parent, span);
    let status: string = "handler-error";
    request.onSettled((outcome) => {
      const settled = settledStatus(outcome, status);
      endSpan(span, settled);
      message?.end(outcome, { status: settled, inner });
      metrics.add(`${queue}/${label}`, settled, startedAt);
    });
    try {
      const work = trustContext && isDropped(span, place.caller)
        ? () => next()
        : () => next({ headers: withTraceHeaders(request.headers, inner) });
      const reply = await context.with(inner, work);
      status = statusOf(reply);
      linkToRun(span, request, reply);
      return reply;
    } catch (error) {
      status = codeLabel(isRpcError(error) ? error.code : undefined);
      throw error;
    }
  };
}

/** A reply that was made for another request has the span of that one. */
function linkToRun(span: Span, { isReused }: InterceptedRequest, reply: InterceptedReply): void {
  if (!span.isRecording()) return;
  if (!isReused) return void runs.set(reply, span.spanContext());
  span.setAttribute("warren.reused", true);
  const run = runs.get(reply);
  if (run !== undefined) span.addLink({ context: run });
}

/** Where the spans of a request belong. */
interface Place {
  readonly parent: Context;
  /** What the headers say, believed or not. */
  readonly caller: Context;
  /** Another trace that it has to do with. */
  readonly link: SpanContext | undefined;
}

/** What was parked begins a trace of its own: its caller's is over, perhaps for days. */
function placeOf({ headers, isRedriven }: InterceptedRequest, trustContext: boolean): Place {
  const caller = readTraceHeaders(headers);
  if (trustContext && !isRedriven) return { parent: caller, caller, link: undefined };
  const parent = trustContext ? trace.deleteSpan(caller) : ROOT_CONTEXT;
  return { parent, caller, link: trace.getSpanContext(caller) };
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

/** The message of a request, from its delivery until it is settled. */
class TakenMessage {
  /** Where its request belongs. */
  readonly place: Place;
  readonly #request: InterceptedRequest;
  readonly #queue: string;
  readonly #span: Span | undefined;
  readonly #metrics: MessagingMetrics;
  readonly #startedAt = performance.now();

  constructor(
    request: InterceptedRequest,
    { queue, place, messages }: {
      readonly queue: string;
      readonly place: Place;
      readonly messages: MessagingMetrics;
    },
  ) {
    const { wantsReply, broker, bytes, correlationId } = request;
    const { parent, caller } = place;
    this.#request = request;
    this.#queue = queue;
    this.#metrics = messages;
    messages.count("consumed", "process");
    if (!wantsReply) {
      // The span of a notification is that of its message.
      this.place = place;
      return;
    }
    const link = trace.getSpanContext(caller);
    const options = { parent, broker, bytes, correlationId, link };
    this.#span = startMessageSpan(queue, "process", options);
    this.place = { parent: trace.setSpan(parent, this.#span), caller, link: undefined };
  }

  /** With how it was settled, below what is around its handler if it has no span of its own. */
  end(
    outcome: SettledOutcome,
    { status, inner }: { readonly status: string; readonly inner: Context },
  ): void {
    const error = status === OK ? undefined : status;
    this.#metrics.add("process", performance.now() - this.#startedAt, error);
    const { broker, correlationId } = this.#request;
    // What was not settled goes back with its channel.
    if (outcome !== "unserved") {
      const operation = outcome === "crashed" ? "nack" : "ack";
      const parent = this.#span === undefined ? inner : this.place.parent;
      startMessageSpan(this.#queue, operation, { parent, broker, correlationId }).end();
    }
    if (error !== undefined) this.#span?.setAttribute("error.type", error);
    this.#span?.end();
  }
}

function startSpan(
  request: InterceptedRequest,
  { queue, label }: {
    readonly queue: string;
    /** What its procedure is counted under: names that strangers choose are not what spans are found by. */
    readonly label: string;
  },
  { parent, link }: Place,
): Span {
  const { procedure = OTHER, correlationId, redeliveries, wantsReply, broker } = request;
  const method = `${queue}/${label}`;
  return callTracer().startSpan(wantsReply ? method : `process ${queue}`, {
    kind: wantsReply ? SpanKind.SERVER : SpanKind.CONSUMER,
    attributes: {
      "rpc.system.name": "warren",
      "rpc.method": method,
      ...(label !== procedure && { "rpc.method_original": procedure }),
      ...messagingAttributes(queue, "process"),
      ...brokerAttributes(broker),
      ...(correlationId !== undefined && { "messaging.message.conversation_id": correlationId }),
      "warren.attempt": redeliveries + 1,
    },
    ...(link !== undefined && { links: [{ context: link }] }),
  }, parent);
}

/** How it ended for its caller, who may have got nothing of what the handler gave. */
function settledStatus(outcome: SettledOutcome, replied: string): string {
  switch (outcome) {
    case "output":
    case "notified":
    case "error":
      return replied;
    case "crashed":
      return "worker-crashed";
    default:
      return outcome;
  }
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
