/**
 * Metrics of clients, servers and pools in Prometheus' text format, without a library.
 *
 * @module
 */

export { metricsText } from "./metrics_text.ts";
export type { MeasuredPart, MeasuredParts } from "./stats_families.ts";
export { RpcMetrics } from "./rpc_metrics.ts";
