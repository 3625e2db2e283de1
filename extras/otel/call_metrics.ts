/** How long calls and requests take, for OpenTelemetry. @module */

import {
  type Histogram,
  type Meter,
  metrics,
  trace,
  type Tracer,
} from "../../deps/opentelemetry_api.ts";
import { OK } from "../metrics/procedure_labels.ts";
import { DURATION_BOUNDS } from "../metrics/duration_histogram.ts";

/** Of whom the spans and metrics are. */
const SCOPE = "@warren/rpc";

/** What the names of attributes mean. */
const SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0";

/** Where spans go. One for all, as each is an object of the SDK's; it may come before the SDK does. */
export function callTracer(): Tracer {
  return tracer ??= trace.getTracerProvider().getTracer(SCOPE, undefined, {
    schemaUrl: SCHEMA_URL,
  });
}

let tracer: Tracer | undefined;

/** Where metrics go; asked for with the first of each, as whoever takes them may come late. */
export function callMeter(): Meter {
  return metrics.getMeter(SCOPE, undefined, { schemaUrl: SCHEMA_URL });
}

/** The attributes that say how a call ended. */
export function statusAttributes(status: string): Record<string, string> {
  return { "rpc.status_code": status, ...(status !== OK && { "error.type": status }) };
}

/** Durations by procedure and status. */
export class CallMetrics {
  readonly #name: string;
  /** Made with the first call: whoever takes metrics may come after the interceptor. */
  #histogram: Histogram | undefined;
  /** By status and procedure, whose numbers are bounded: to make them anew costs each call. */
  readonly #attributes = new Map<string, Map<string, Record<string, string>>>();

  /** @param side Whose calls. */
  constructor(side: "client" | "server") {
    this.#name = `rpc.${side}.call.duration`;
  }

  /** Adds a call that began at `startedAt`, by `performance.now()`. */
  add(method: string, status: string, startedAt: number): void {
    this.#histogram ??= callMeter().createHistogram(this.#name, {
      unit: "s",
      // Without them it would be buckets for milliseconds.
      advice: { explicitBucketBoundaries: [...DURATION_BOUNDS] },
    });
    const attributes = this.#attributesOf(method, status);
    this.#histogram.record((performance.now() - startedAt) / 1_000, attributes);
  }

  #attributesOf(method: string, status: string): Record<string, string> {
    let methods = this.#attributes.get(status);
    if (methods === undefined) this.#attributes.set(status, methods = new Map());
    let attributes = methods.get(method);
    if (attributes === undefined) {
      const own = { "rpc.system.name": "warren", "rpc.method": method };
      methods.set(method, attributes = { ...own, ...statusAttributes(status) });
    }
    return attributes;
  }
}
