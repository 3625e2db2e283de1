/** The header in which a server tells how long a request took: one text. @module */

import type { RunTiming } from "../run_timing.ts";
import { readText } from "../text.ts";

/** In a request `true`, if its caller wants to know; in a reply the text. */
export const TIMING_HEADER = "rpc-timing";

/** What a server tells, in milliseconds. */
export interface ServerTiming {
  /** Names the clock of the next one: that of one process, which begins anywhere. */
  readonly clock: string;
  readonly deliveredAt: number;
  readonly backlogMs: number;
  readonly runMs: number;
  readonly encodeMs: number;
  /** How long the broker had the request, by its own clock; absent if it stamps no messages. */
  readonly queuedMs: number | undefined;
}

/** The clock of this process, which nobody sets. */
const CLOCK = crypto.randomUUID().slice(0, 13);

/** What RabbitMQ stamps messages with, from 4.2 on, if it is told to: in, and out of a queue. */
const [RECEIVED_STAMP, SENT_STAMP] = ["timestamp_in_ms", "x-opt-rabbitmq-sent-time"] as const;

const TIMING_REGEXP = /^([\w-]{1,36})((?: \d{1,15}(?:\.\d{1,6})?){4,5})$/;

/**
 * Writes the header.
 *
 * @param timing What was measured.
 * @param table The headers of the request, for the broker's stamps.
 */
export function writeTiming(
  { deliveredAt, backlogMs, runMs, encodeMs }: RunTiming,
  table: Readonly<Record<string, unknown>> | undefined,
): string {
  const numbers = [deliveredAt, backlogMs, runMs, encodeMs];
  const queuedMs = brokersTime(table);
  if (queuedMs !== undefined) numbers.push(queuedMs);
  return `${CLOCK} ${numbers.map((number) => Math.max(0, number).toFixed(3)).join(" ")}`;
}

/** Reads the header. Anybody may have written it. */
export function readTiming(
  headers: Readonly<Record<string, unknown>> | undefined,
): ServerTiming | undefined {
  const match = TIMING_REGEXP.exec(readText(headers?.[TIMING_HEADER]) ?? "");
  if (match === null) return undefined;
  const [, clock = "", numbers = ""] = match;
  const [deliveredAt = 0, backlogMs = 0, runMs = 0, encodeMs = 0, queuedMs] = numbers
    .trim().split(" ").map(Number);
  return { clock, deliveredAt, backlogMs, runMs, encodeMs, queuedMs };
}

/** Both stamps are the broker's, so that nobody's clock is compared with another's. */
function brokersTime(table: Readonly<Record<string, unknown>> | undefined): number | undefined {
  const [received, sent] = [table?.[RECEIVED_STAMP], table?.[SENT_STAMP]];
  if (typeof received !== "number" || typeof sent !== "number") return undefined;
  return sent >= received ? sent - received : undefined;
}
