/** Spans of calls. @module */

import {
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "../../deps/opentelemetry_api.ts";
import { RpcError } from "../../errors.ts";
import { checkOptions, checkType } from "../../internal/check.ts";
import type { CallStep, ClientInterceptor, InterceptedCall } from "../../options/interceptors.ts";
import { callerLabel, labelsIn, OK, type ProcedureLabels } from "../metrics/procedure_labels.ts";
import { CallMetrics, callTracer, statusAttributes } from "./call_metrics.ts";
import {
  brokerAttributes,
  messagingAttributes,
  MessagingMetrics,
  startMessageSpan,
} from "./messaging.ts";
import { withTraceHeaders } from "./trace_headers.ts";

/** Options of {@linkcode instrumentCalls}. */
export interface InstrumentCallsOptions {
  /**
   * Whether the message of each call has a span of its own, `publish math`, up to the broker's confirm,
   * and messages are counted: for those who look at a broker's other programs, too.
   *
   * @default {false}
   */
  readonly messagingSpans?: boolean;
}

/** Stands for `undefined`, if that is what was thrown. */
const NO_REASON = Symbol("no reason");

/**
 * Makes an interceptor for a client: each call is a span of the kind CLIENT, under the one that is
 * active where the call is made; each notification one of the kind PRODUCER. Their requests carry the
 * trace in the headers `traceparent`, `tracestate` and `baggage`, if the program propagates them. The
 * metric `rpc.client.call.duration` is theirs, too.
 *
 * @param options What else there is to be a span.
 * @returns The interceptor; best the first of them.
 * @throws {TypeError} If an option is of the wrong kind.
 */
export function instrumentCalls(options: InstrumentCallsOptions = {}): ClientInterceptor {
  checkOptions("instrument calls", options);
  const { messagingSpans = false } = options;
  checkType("instrument calls", { messagingSpans }, "boolean");
  const metrics = new CallMetrics("client");
  const names = new Map<string, ProcedureLabels>();
  const messages = new Map<string, MessagingMetrics>();
  return async (call, next) => {
    const startedAt = performance.now();
    const parent = context.active();
    const span = startSpan(call);
    const inner = trace.setSpan(parent, span);
    const message = messagingSpans
      ? new SentMessage(call, { span, inner, messages: metricsIn(messages, call.queue) })
      : undefined;
    let error: unknown;
    try {
      const headers = withTraceHeaders(call.headers, message?.context ?? inner);
      // Of what nobody records, nobody need be told.
      const isWatched = message !== undefined || span.isRecording();
      const changes = isWatched ? { headers, onStep: watch(call, span, message) } : { headers };
      return await context.with(inner, () => next(changes));
    } catch (thrown) {
      error = thrown ?? NO_REASON;
      throw thrown;
    } finally {
      const status = callerLabel(error);
      message?.end(status);
      endSpan(span, status, error);
      const label = labelsIn(names, call.queue).labelOf(call.procedure, true);
      const method = `${call.queue}/${label}`;
      metrics.add(method, status, startedAt);
    }
  };
}

function metricsIn(queues: Map<string, MessagingMetrics>, queue: string): MessagingMetrics {
  return queues.getOrInsertComputed(queue, () => new MessagingMetrics(queue));
}

/** Notes where a request goes, and each time that it goes again. */
function watch(
  { onStep }: InterceptedCall,
  span: Span,
  message: SentMessage | undefined,
): (step: CallStep) => void {
  return (step) => {
    if (step.type === "published") {
      span.setAttributes(brokerAttributes(step.broker));
      if (step.attempt > 1) span.addEvent("retry", { "warren.attempt": step.attempt });
    }
    message?.follow(step);
    onStep?.(step);
  };
}

/** The message of a call, from when it is made until the broker has it. */
class SentMessage {
  /** What is below it: the request. */
  readonly context: Context;
  readonly #span: Span;
  /** Whether the span is that of the whole notification, which others end. */
  readonly #isShared: boolean;
  readonly #metrics: MessagingMetrics;
  #publishedAt: number | undefined;
  #isOver = false;

  constructor(
    { kind, queue, correlationId }: InterceptedCall,
    { span, inner, messages }: {
      readonly span: Span;
      readonly inner: Context;
      readonly messages: MessagingMetrics;
    },
  ) {
    this.#isShared = kind === "notify";
    this.#metrics = messages;
    this.#span = this.#isShared
      ? span
      : startMessageSpan(queue, "publish", { parent: inner, broker: undefined, correlationId });
    this.context = trace.setSpan(inner, this.#span);
  }

  follow(step: CallStep): void {
    if (step.type === "confirmed") return this.end(OK);
    this.#span.setAttributes(brokerAttributes(step.broker));
    this.#publishedAt ??= performance.now();
    this.#metrics.count("sent", "publish");
  }

  /** With the broker's confirm, or with the outcome of the call if that is known before. */
  end(status: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const error = status === OK ? undefined : status;
    if (this.#publishedAt !== undefined) {
      this.#metrics.add("publish", performance.now() - this.#publishedAt, error);
    }
    if (this.#isShared) return;
    if (error !== undefined) this.#span.setAttribute("error.type", error);
    this.#span.end();
  }
}

function startSpan({ kind, procedure, queue, correlationId }: InterceptedCall): Span {
  const isNotification = kind === "notify";
  return callTracer().startSpan(isNotification ? `send ${queue}` : `${queue}/${procedure}`, {
    kind: isNotification ? SpanKind.PRODUCER : SpanKind.CLIENT,
    attributes: {
      "rpc.system.name": "warren",
      "rpc.method": `${queue}/${procedure}`,
      ...messagingAttributes(queue, "publish"),
      "messaging.message.conversation_id": correlationId,
    },
  });
}

function endSpan(span: Span, status: string, error: unknown): void {
  span.setAttributes(statusAttributes(status));
  if (status !== OK) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: status });
    const phase = error instanceof RpcError ? error.call?.phase : undefined;
    if (phase !== undefined) span.setAttribute("warren.phase", phase);
  }
  span.end();
}
