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

const MAX_CLOCK_CHARS = 36;
const CLOCK_REGEXP = /^[\w-]+$/;
const MAX_DIGITS = 15;
/** Source: ASCII. */
const [SPACE, ZERO] = [0x20, 0x30] as const;

/** The clock that was read last, as the same servers reply again and again. */
let lastClock = CLOCK;

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

/**
 * Reads the header. Anybody may have written it. Digit by digit, it takes a fifth of the time that a
 * pattern and pieces of the text take, and each reply has one.
 */
export function readTiming(
  headers: Readonly<Record<string, unknown>> | undefined,
): ServerTiming | undefined {
  const text = readText(headers?.[TIMING_HEADER]);
  const clock = text && readClock(text);
  if (text === undefined || !clock) return undefined;
  const numbers = new Numbers(text, clock.length);
  const timing = {
    clock,
    deliveredAt: numbers.next(),
    backlogMs: numbers.next(),
    runMs: numbers.next(),
    encodeMs: numbers.next(),
    queuedMs: numbers.isAtEnd ? undefined : numbers.next(),
  };
  return numbers.areRight ? timing : undefined;
}

function readClock(text: string): string | undefined {
  const { length } = lastClock;
  if (text.charCodeAt(length) === SPACE && text.startsWith(lastClock)) return lastClock;
  const clock = text.slice(0, text.indexOf(" "));
  if (clock.length > MAX_CLOCK_CHARS || !CLOCK_REGEXP.test(clock)) return undefined;
  return lastClock = clock;
}

/** Numbers of microseconds, each after a space. */
class Numbers {
  readonly #text: string;
  #at: number;
  #isRight = true;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** Whether all were there, and nothing else. */
  get areRight(): boolean {
    return this.#isRight && this.isAtEnd;
  }

  /** The next number, in milliseconds. */
  next(): number {
    const text = this.#text;
    const start = this.#at + 1;
    if (text.charCodeAt(start - 1) !== SPACE) this.#isRight = false;
    let [at, micros] = [start, 0];
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      micros = micros * 10 + digit;
    }
    if (at === start || at - start > MAX_DIGITS) this.#isRight = false;
    this.#at = at;
    return micros / 1_000;
  }
}

/** Both stamps are the broker's, so that nobody's clock is compared with another's. */
function brokersTime(table: Readonly<Record<string, unknown>> | undefined): number | undefined {
  const [received, sent] = [table?.[RECEIVED_STAMP], table?.[SENT_STAMP]];
  if (typeof received !== "number" || typeof sent !== "number") return undefined;
  return sent >= received ? sent - received : undefined;
}
