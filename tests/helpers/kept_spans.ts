/** Spans that are kept in memory, by an SDK that tests alone have. @module */

import { assert, assertEquals } from "../../deps/std_assert.ts";
import {
  context,
  propagation,
  type TextMapPropagator,
  trace,
} from "../../deps/opentelemetry_api.ts";
import { AsyncLocalStorageContextManager } from "../../deps/opentelemetry_context_async_hooks.ts";
import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from "../../deps/opentelemetry_core.ts";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "../../deps/opentelemetry_sdk_trace_base.ts";
import { eventually } from "./eventually.ts";

/** Source: the numbers of `SpanKind`. */
const KINDS = ["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];

const exporter = new InMemorySpanExporter();

/** Has this program keep its spans, and propagate its traces, by further propagators, too. */
export function keepSpans(...others: readonly TextMapPropagator[]): void {
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator(), ...others],
    }),
  );
}

/** Forgets the spans so far. */
export function forgetSpans(): void {
  exporter.reset();
}

/** All spans that have ended, once there are so many, by kind and name. */
export async function spansOf(count: number): Promise<Record<string, ReadableSpan>> {
  const spans = await spanList(count);
  return Object.fromEntries(spans.map((span) => [`${KINDS[span.kind]} ${span.name}`, span]));
}

/** The same in the order in which they ended. */
export async function spanList(count: number): Promise<readonly ReadableSpan[]> {
  await eventually(() => {
    const names = exporter.getFinishedSpans().map(({ name }) => name);
    assertEquals(names.length, count, names.join(", "));
  });
  return exporter.getFinishedSpans();
}

/** Fails unless one span is right below the other. */
export function assertChild(
  child: ReadableSpan | undefined,
  parent: ReadableSpan | undefined,
): void {
  assert(child !== undefined && parent !== undefined, "a span is missing");
  assertEquals(child.parentSpanContext?.spanId, parent.spanContext().spanId);
  assertEquals(child.spanContext().traceId, parent.spanContext().traceId);
}

/** Fails unless a span begins a trace of its own, with a link to the other. */
export function assertLinked(
  span: ReadableSpan | undefined,
  other: ReadableSpan | undefined,
): void {
  assert(span !== undefined && other !== undefined, "a span is missing");
  assertEquals(span.parentSpanContext, undefined);
  assert(span.spanContext().traceId !== other.spanContext().traceId, "they are of one trace");
  assertEquals(span.links.map(({ context }) => context.spanId), [other.spanContext().spanId]);
}
