/** Counts of clients, servers and pools. @module */

import type { Attributes, ObservableResult } from "../../deps/opentelemetry_api.ts";
import { checkOptions } from "../../internal/check.ts";
import {
  isSummary,
  type MeasuredParts,
  STATS_FAMILIES,
  type StatsFamily,
} from "../metrics/stats_families.ts";
import { callMeter } from "./call_metrics.ts";

/**
 * Makes metrics of what `stats()` of clients, servers and pools has: requests in hand, calls that are
 * pending, workers by state and the like, by the names of `metricsText()` with dots. They are read when
 * they are exported, and cost nothing in between. What was not exported at the end of a program is lost.
 *
 * @param parts Clients, servers and pools; their names are the attribute `part`. A function gives those
 * that there are at the time.
 * @returns Ends it.
 * @throws {TypeError} If the parts are no object.
 *
 * @example A server whose counts are exported
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { instrumentStats } from "@warren/rpc/otel";
 *
 * const handlers = { double: (n: number) => 2 * n };
 * const math = await RpcServer.listen("amqp://127.0.0.1", { queue: "math", handlers });
 * instrumentStats({ math });
 * ```
 */
export function instrumentStats(parts: MeasuredParts | (() => MeasuredParts)): Disposable {
  if (typeof parts !== "function") checkOptions("instrument the counts", parts);
  const partsOf = typeof parts === "function" ? parts : () => parts;
  const stack = new DisposableStack();
  for (const family of STATS_FAMILIES) {
    const instrument = instrumentOf(family);
    const observe = (result: ObservableResult) => observeFamily(family, partsOf(), result);
    instrument.addCallback(observe);
    stack.defer(() => instrument.removeCallback(observe));
  }
  return stack;
}

function instrumentOf({ metric, type, help, unit }: StatsFamily) {
  const options = { description: help, unit };
  const meter = callMeter();
  switch (type) {
    case "counter":
      return meter.createObservableCounter(metric, options);
    case "summary":
      return meter.createObservableGauge(metric, options);
    default:
      return meter.createObservableUpDownCounter(metric, options);
  }
}

function observeFamily(family: StatsFamily, parts: MeasuredParts, result: ObservableResult): void {
  for (const [part, measured] of Object.entries(parts)) {
    const stats = new Map<string, unknown>(Object.entries(measured?.stats() ?? {}));
    if (!stats.has(family.mark)) continue;
    for (const [name, labels] of Object.entries(family.values)) {
      observeValue(stats.get(name), { part, ...labels }, result);
    }
  }
}

function observeValue(value: unknown, attributes: Attributes, result: ObservableResult): void {
  if (typeof value === "number") result.observe(value, attributes);
  if (!isSummary(value)) return;
  result.observe(value.p50 / 1_000, { ...attributes, quantile: "0.5" });
  result.observe(value.p99 / 1_000, { ...attributes, quantile: "0.99" });
}
