/** The numbers of a program, as Prometheus reads them. @module */

import type { RpcMetrics } from "./rpc_metrics.ts";
import {
  isSummary,
  type MeasuredParts,
  prometheusName,
  STATS_FAMILIES,
  type StatsFamily,
  type Summary,
} from "./stats_families.ts";
import { type Labels, type Sample, textFormat } from "./text_format.ts";

/**
 * Writes the numbers of a program in Prometheus' text format, for `/metrics` of a health handler or for
 * any other server. It asks nobody, and costs nothing until it is called.
 *
 * @param parts Clients, servers and pools; their names are the label `part`.
 * @param metrics What has observed them, if durations by procedure are wanted, too.
 * @returns The text.
 *
 * @example `/metrics` of a server
 * ```ts ignore because it needs a broker
 * import { RpcServer } from "@warren/rpc";
 * import { healthHandler } from "@warren/rpc/health";
 * import { metricsText, RpcMetrics } from "@warren/rpc/metrics";
 *
 * const metrics = new RpcMetrics();
 * const math = await RpcServer.listen("amqp://127.0.0.1", {
 *   queue: "math",
 *   handlers: { double: (n: number) => 2 * n },
 *   onEvent: metrics.serverObserver("math"),
 *   log: true,
 * });
 * const parts = { math };
 * const handler = healthHandler(parts, { metrics: () => metricsText(parts, metrics) });
 * Deno.serve({ hostname: "127.0.0.1", port: 8080 }, handler);
 * ```
 */
export function metricsText(parts: MeasuredParts, metrics?: RpcMetrics): string {
  const counted = Object.entries(parts).map(([part, measured]) => {
    return [part, new Map<string, unknown>(Object.entries(measured?.stats() ?? {}))] as const;
  });
  const text = textFormat(STATS_FAMILIES.map((family) => {
    return [
      { ...family, name: prometheusName(family) },
      counted.flatMap(([part, stats]) => samplesOf(family, part, stats)),
    ];
  }));
  return `${metrics?.text() ?? ""}${text}`;
}

function samplesOf(
  { mark, type, values }: StatsFamily,
  part: string,
  stats: ReadonlyMap<string, unknown>,
): Sample[] {
  if (!stats.has(mark)) return [];
  return Object.entries(values).flatMap(([name, own]) => {
    const labels = { part, ...own };
    const value = stats.get(name);
    if (typeof value === "number") return [{ labels, value }];
    return type === "summary" && isSummary(value) ? summarySamples(value, labels) : [];
  });
}

function summarySamples({ count, mean, p50, p99 }: Summary, labels: Labels): Sample[] {
  return [
    { labels: { ...labels, quantile: "0.5" }, value: p50 / 1_000 },
    { labels: { ...labels, quantile: "0.99" }, value: p99 / 1_000 },
    { suffix: "_sum", labels, value: mean * count / 1_000 },
    { suffix: "_count", labels, value: count },
  ];
}
