/** Where traces and metrics go, if a program has something that takes them; `extras/otel/` only. @module */

export {
  type Attributes,
  type Context,
  context,
  type Counter,
  type Histogram,
  type Meter,
  metrics,
  type ObservableResult,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapPropagator,
  trace,
  TraceFlags,
  type Tracer,
} from "npm:@opentelemetry/api@^1.9.0";
