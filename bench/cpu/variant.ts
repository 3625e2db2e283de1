/** What of a checkout is measured. @module */

/**
 * What the measured programs use beside calls: nothing, the events that say where the time of each
 * call went, or spans that the sampler drops.
 */
export type Uses = "nothing" | "ledger" | "otel";

/** A checkout, and what is used of it. */
export interface Variant {
  /** The path of its `mod.ts`. */
  readonly module: string;
  readonly uses: Uses;
  /** How many calls are in flight. */
  readonly inFlight: number;
}

/** What a process needs in its environment. */
export function environmentOf({ uses }: Variant): Record<string, string> {
  if (uses !== "otel") return {};
  return {
    OTEL_DENO: "true",
    OTEL_TRACES_SAMPLER: "always_off",
    // Nobody is there: metrics are counted and never sent.
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
    OTEL_METRIC_EXPORT_INTERVAL: "3600000",
  };
}
