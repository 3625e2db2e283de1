/** What clients, servers and pools count, as families of time series. @module */

import type { Family, Labels } from "./text_format.ts";

/** A client, a server or a pool. */
export interface MeasuredPart {
  /** Its counts. */
  stats(): object;
}

/** Clients, servers and pools by names of their own. One that is `undefined` has not started yet. */
export type MeasuredParts = Readonly<Record<string, MeasuredPart | undefined>>;

/** Where the values of a family are: by which name among the counts, with which labels. */
export interface StatsFamily extends Omit<Family, "name"> {
  /** By the rules of OpenTelemetry. */
  readonly metric: string;
  readonly unit: string;
  /** A count that only such parts have. */
  readonly mark: string;
  readonly values: Readonly<Record<string, Labels>>;
}

const SERVER = { mark: "succeeded" };
const CLIENT = { mark: "lateReplies" };
const POOL = { mark: "zombies" };

/** Families of what `stats()` gives. */
export const STATS_FAMILIES: readonly StatsFamily[] = [
  {
    ...SERVER,
    metric: "warren.server.active_requests",
    unit: "{request}",
    type: "gauge",
    help: "Requests in hand.",
    values: { active: {} },
  },
  {
    ...SERVER,
    metric: "warren.server.requests",
    unit: "{request}",
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
    metric: "warren.server.parked_requests",
    unit: "{request}",
    type: "counter",
    help: "Requests that were parked.",
    values: { parked: {} },
  },
  {
    ...SERVER,
    metric: "warren.server.reused_outputs",
    unit: "{output}",
    type: "counter",
    help: "Requests answered with the output of another one of the same key.",
    values: { reused: {} },
  },
  {
    ...CLIENT,
    metric: "warren.client.pending_calls",
    unit: "{call}",
    type: "gauge",
    help: "Calls that wait for their reply.",
    values: { pending: {} },
  },
  {
    ...CLIENT,
    metric: "warren.client.waiting_calls",
    unit: "{call}",
    type: "gauge",
    help: "Calls that wait for a place among the pending ones.",
    values: { waiting: {} },
  },
  {
    ...CLIENT,
    metric: "warren.client.dropped_replies",
    unit: "{reply}",
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
    metric: "warren.pool.workers",
    unit: "{worker}",
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
    metric: "warren.pool.backlog",
    unit: "{task}",
    type: "gauge",
    help: "Tasks that wait for a worker.",
    values: { backlog: {} },
  },
  {
    ...POOL,
    metric: "warren.pool.tasks",
    unit: "{task}",
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
    metric: "warren.pool.crashes",
    unit: "{worker}",
    type: "counter",
    help: "Workers that died.",
    values: { crashes: {} },
  },
  {
    ...POOL,
    metric: "warren.pool.task.wait.duration",
    unit: "s",
    type: "summary",
    help: "How long tasks waited for a worker, since the pool was opened.",
    values: { waitMs: {} },
  },
  {
    ...POOL,
    metric: "warren.pool.task.run.duration",
    unit: "s",
    type: "summary",
    help: "How long tasks ran, since the pool was opened.",
    values: { runMs: {} },
  },
];

/** What a pool knows of durations, in milliseconds. */
export interface Summary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
}

export function isSummary(value: unknown): value is Summary {
  return typeof value === "object" && value !== null && "p99" in value;
}

/** What Prometheus calls a metric of OpenTelemetry. Source: the rules of the latter. */
export function prometheusName({ metric, unit, type }: StatsFamily): string {
  const name = metric.replaceAll(".", "_");
  if (unit === "s") return `${name}_seconds`;
  return type === "counter" ? `${name}_total` : name;
}
