/** The numbers of a program, as Prometheus reads them. @module */

import type { RpcMetrics } from "./rpc_metrics.ts";
import { type Family, type Labels, type Sample, textFormat } from "./text_format.ts";

/** A client, a server or a pool. */
export interface MeasuredPart {
  /** Its counts. */
  stats(): object;
}

/** Clients, servers and pools by names of their own. One that is `undefined` has not started yet. */
export type MeasuredParts = Readonly<Record<string, MeasuredPart | undefined>>;

/** Where the values of a family are: by which name among the counts, with which labels. */
interface StatsFamily extends Family {
  /** A count that only such parts have. */
  readonly mark: string;
  readonly values: Readonly<Record<string, Labels>>;
}

const SERVER = { mark: "succeeded" };
const CLIENT = { mark: "lateReplies" };
const POOL = { mark: "zombies" };

/** Families of what `stats()` gives. */
const STATS_FAMILIES: readonly StatsFamily[] = [
  {
    ...SERVER,
    name: "warren_server_active_requests",
    type: "gauge",
    help: "Requests in hand.",
    values: { active: {} },
  },
  {
    ...SERVER,
    name: "warren_server_requests_total",
    type: "counter",
    help: "Requests that were settled, by their outcome.",
    values: {
      succeeded: { outcome: "output" },
      failed: { outcome: "error" },
      orphaned: { outcome: "orphaned" },
      expired: { outcome: "expired" },
      cancelled: { outcome: "cancelled" },
      crashed: { outcome: "crashed" },
      unpublished: { outcome: "unpublished" },
      replyToRefused: { outcome: "reply-to-refused" },
    },
  },
  {
    ...SERVER,
    name: "warren_server_parked_requests_total",
    type: "counter",
    help: "Requests that were parked.",
    values: { parked: {} },
  },
  {
    ...SERVER,
    name: "warren_server_reused_outputs_total",
    type: "counter",
    help: "Requests answered with the output of another one of the same key.",
    values: { reused: {} },
  },
  {
    ...CLIENT,
    name: "warren_client_pending_calls",
    type: "gauge",
    help: "Calls that wait for their reply.",
    values: { pending: {} },
  },
  {
    ...CLIENT,
    name: "warren_client_waiting_calls",
    type: "gauge",
    help: "Calls that wait for a place among the pending ones.",
    values: { waiting: {} },
  },
  {
    ...CLIENT,
    name: "warren_client_dropped_replies_total",
    type: "counter",
    help: "Replies that no call waited for.",
    values: {
      lateReplies: { reason: "late" },
      duplicateReplies: { reason: "duplicate" },
      unknownReplies: { reason: "unknown" },
    },
  },
  {
    ...POOL,
    name: "warren_pool_workers",
    type: "gauge",
    help: "Workers, by their state.",
    values: {
      idle: { state: "idle" },
      busy: { state: "busy" },
      starting: { state: "starting" },
      crashed: { state: "crashed" },
      zombies: { state: "zombie" },
    },
  },
  {
    ...POOL,
    name: "warren_pool_backlog",
    type: "gauge",
    help: "Tasks that wait for a worker.",
    values: { backlog: {} },
  },
  {
    ...POOL,
    name: "warren_pool_tasks_total",
    type: "counter",
    help: "Tasks that have ended, by their outcome.",
    values: {
      done: { outcome: "output" },
      failed: { outcome: "error" },
      cancelled: { outcome: "cancelled" },
    },
  },
  {
    ...POOL,
    name: "warren_pool_crashes_total",
    type: "counter",
    help: "Workers that died.",
    values: { crashes: {} },
  },
  {
    ...POOL,
    name: "warren_pool_task_wait_duration_seconds",
    type: "summary",
    help: "How long tasks waited for a worker, since the pool was opened.",
    values: { waitMs: {} },
  },
  {
    ...POOL,
    name: "warren_pool_task_run_duration_seconds",
    type: "summary",
    help: "How long tasks ran, since the pool was opened.",
    values: { runMs: {} },
  },
];

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
    return [family, counted.flatMap(([part, stats]) => samplesOf(family, part, stats))];
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

/** What a pool knows of durations, in milliseconds. */
interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

function isSummary(value: unknown): value is Summary {
  return typeof value === "object" && value !== null && "p99" in value;
}

function summarySamples({ count, mean, p50, p99 }: Summary, labels: Labels): Sample[] {
  return [
    { labels: { ...labels, quantile: "0.5" }, value: p50 / 1_000 },
    { labels: { ...labels, quantile: "0.99" }, value: p99 / 1_000 },
    { suffix: "_sum", labels, value: mean * count / 1_000 },
    { suffix: "_count", labels, value: count },
  ];
}
