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

const TIMING_REGEXP = /^[\w-]{1,36}(?: \d{1,15}){4,5}$/;

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
  const parts = `${micros(backlogMs)} ${micros(runMs)} ${micros(encodeMs)}`;
  const queuedMs = brokersTime(table);
  const text = `${CLOCK} ${micros(deliveredAt)} ${parts}`;
  return queuedMs === undefined ? text : `${text} ${micros(queuedMs)}`;
}

/** Whole numbers are written ten times as fast as decimals, and each reply has some. */
function micros(ms: number): number {
  return ms > 0 ? Math.round(ms * 1_000) : 0;
}

function millis(micros: string | undefined): number {
  return Number(micros) / 1_000;
}

/** Reads the header. Anybody may have written it. */
export function readTiming(
  headers: Readonly<Record<string, unknown>> | undefined,
): ServerTiming | undefined {
  const text = readText(headers?.[TIMING_HEADER]);
  if (text === undefined || !TIMING_REGEXP.test(text)) return undefined;
  const words = text.split(" ");
  return {
    clock: words[0] ?? "",
    deliveredAt: millis(words[1]),
    backlogMs: millis(words[2]),
    runMs: millis(words[3]),
    encodeMs: millis(words[4]),
    queuedMs: words[5] === undefined ? undefined : millis(words[5]),
  };
}

/** Both stamps are the broker's, so that nobody's clock is compared with another's. */
function brokersTime(table: Readonly<Record<string, unknown>> | undefined): number | undefined {
  const [received, sent] = [table?.[RECEIVED_STAMP], table?.[SENT_STAMP]];
  if (typeof received !== "number" || typeof sent !== "number") return undefined;
  return sent >= received ? sent - received : undefined;
}
