/** Where the time of a call went. @module */

import type { CallTiming } from "../../errors.ts";
import type { ServerTiming } from "../protocol/timing_header.ts";

/** When a call had come how far, by `performance.now()`, as far as its client knows. */
export interface CallInstants {
  readonly calledAt: number;
  readonly encodedAt: number;
  /** Of the last attempt. */
  readonly publishedAt: number | undefined;
  readonly confirmedAt: number | undefined;
  /** When its reply is read. */
  readonly receivedAt: number | undefined;
  /** When its outcome was known; until then it goes on. */
  readonly settledAt: number | undefined;
  /** How long its output was decoded, in milliseconds. */
  readonly decodeMs: number;
}

/** When the reply of a call was read, and what its server has told of it. */
export interface ObservedReply {
  /** Absent if there was none. */
  readonly receivedAt: number | undefined;
  settledAt: number | undefined;
  decodeMs: number;
  readonly server: ServerTiming | undefined;
}

/** Between which two the clock of a server is ahead of ours, in milliseconds. */
interface Offset {
  low: number;
  high: number;
  at: number;
}

/** By how much two clocks may drift apart: twice what quartz does. */
const MAX_DRIFT = 1e-4;

/** Most servers whose clocks are remembered. */
const MAX_CLOCKS = 256;

/**
 * Offsets of this wide a range are taken to be in its middle: half of the quickest round trip to each
 * side. Wider ones are not known well enough, and what they leave open is said to be unknown.
 */
const MAX_RANGE_MS = 5;

/**
 * The clocks of servers, which begin anywhere. A request is published before it is delivered, and a
 * reply received after it is published: each call bounds the offset of the two clocks from both
 * sides, whatever they show, and the quickest calls bound it best.
 */
export class ServerClocks {
  readonly #offsets = new Map<string, Offset>();

  /** Learns from a call, and gives the bounds. */
  learn(
    server: ServerTiming,
    publishedAt: number,
    receivedAt: number,
  ): Readonly<Offset> {
    const { clock, deliveredAt } = server;
    const [low, high] = [endOf(server) - receivedAt, deliveredAt - publishedAt];
    const known = this.#offsets.get(clock);
    if (known === undefined) return this.#remember(clock, { low, high, at: receivedAt });
    const drift = MAX_DRIFT * (receivedAt - known.at);
    const bothLow = Math.max(low, known.low - drift);
    const bothHigh = Math.min(high, known.high + drift);
    // A server that was stopped by its machine has another clock than it had.
    const isSame = bothLow <= bothHigh;
    known.low = isSame ? bothLow : low;
    known.high = isSame ? bothHigh : high;
    known.at = receivedAt;
    return known;
  }

  #remember(clock: string, offset: Offset): Offset {
    if (this.#offsets.size >= MAX_CLOCKS) {
      const [oldest] = [...this.#offsets].reduce((one, other) =>
        other[1].at < one[1].at ? other : one
      );
      this.#offsets.delete(oldest);
    }
    this.#offsets.set(clock, offset);
    return offset;
  }
}

/**
 * Tells where the time of a call went. Each part is measured; what none of them has is unknown.
 *
 * @param instants How far it has come.
 * @param server What its server has told; absent if nothing.
 * @param clocks The clocks of the servers.
 */
export function callTimingOf(
  instants: CallInstants,
  server: ServerTiming | undefined,
  clocks: ServerClocks,
): CallTiming {
  const { calledAt, encodedAt, publishedAt, confirmedAt, receivedAt } = instants;
  const now = instants.settledAt ?? performance.now();
  let encodeMs = encodedAt - calledAt + instants.decodeMs;
  let backlogMs = (publishedAt ?? now) - encodedAt;
  let [queuedMs, runMs, transitMs] = [0, 0, 0];
  if (publishedAt !== undefined && receivedAt !== undefined && server !== undefined) {
    const offset = clocks.learn(server, publishedAt, receivedAt);
    const thereMs = server.deliveredAt - offsetOf(offset, offset.high) - publishedAt;
    const backMs = receivedAt - (endOf(server) - offsetOf(offset, offset.low));
    const confirmMs = (confirmedAt ?? Infinity) - publishedAt;
    queuedMs = Math.max(0, server.queuedMs ?? thereMs - confirmMs);
    transitMs = Math.max(0, thereMs - queuedMs) + Math.max(0, backMs);
    backlogMs += server.backlogMs;
    runMs = server.runMs;
    encodeMs += server.encodeMs;
  } else if (publishedAt !== undefined && confirmedAt !== undefined) {
    transitMs = confirmedAt - publishedAt;
  }
  const totalMs = now - calledAt;
  const unknownMs = Math.max(0, totalMs - backlogMs - queuedMs - runMs - encodeMs - transitMs);
  return { backlogMs, queuedMs, runMs, encodeMs, transitMs, totalMs, unknownMs };
}

/** What the offset of a clock is taken to be: its middle if that is known well, else one of its bounds. */
function offsetOf({ low, high }: Readonly<Offset>, bound: number): number {
  return high - low <= MAX_RANGE_MS ? (low + high) / 2 : bound;
}

/** When the server was done with the request, by its own clock. */
function endOf({ deliveredAt, backlogMs, runMs, encodeMs }: ServerTiming): number {
  return deliveredAt + backlogMs + runMs + encodeMs;
}
