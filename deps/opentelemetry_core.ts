/** The headers of a trace as the W3C has them; tests only. @module */

export {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from "npm:@opentelemetry/core@^2.0.0";
