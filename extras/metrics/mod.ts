/**
 * Metrics of clients, servers and pools in Prometheus' text format, without a library.
 *
 * @module
 */

export { type MeasuredPart, type MeasuredParts, metricsText } from "./metrics_text.ts";
export { RpcMetrics } from "./rpc_metrics.ts";
