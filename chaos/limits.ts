/** The scorecard: figures of a row, and what they must be. @module */

import type { Check } from "./checking/checker.ts";

/** A figure and its bound. */
export interface Limit {
  /** What is counted or measured, with its unit. */
  readonly name: string;
  readonly figure: number;
  readonly bound: "at most" | "at least";
  readonly limit: number;
  readonly holds: boolean;
}

/** Bounds a figure from above. */
export function atMost(name: string, figure: number, limit: number): Limit {
  return { name, figure, bound: "at most", limit, holds: figure <= limit };
}

/** Bounds a figure from below. */
export function atLeast(name: string, figure: number, limit: number): Limit {
  return { name, figure, bound: "at least", limit, holds: figure >= limit };
}

/** What differs from row to row. */
export interface Terms {
  /** Most executions beyond the first of each call: losses times what each loss can repeat. */
  readonly extraBound: number;
  /**
   * Most executions of one call.
   *
   * @default {unbounded}
   */
  readonly maxExecutions?: number;
  /**
   * Codes that calls may reject with, for the reason that the documentation gives.
   *
   * @default {[]}
   */
  readonly mayReject?: readonly string[];
}

/** What every row is held to. */
export function standardLimits(check: Check, terms: Terms): Limit[] {
  const { extraBound, maxExecutions = Infinity, mayReject = [] } = terms;
  const { ready = NaN, unacknowledged = NaN } = check.remaining ?? {};
  const refused = Object.entries(check.rejected).filter(([code]) => !mayReject.includes(code));
  return [
    atMost("lost", check.lost.length, 0),
    atMost("wrong", check.wrong.length, 0),
    atMost("unsettled", check.unsettled.length, 0),
    atMost("settled twice", check.settledTwice.length, 0),
    atMost("extra executions", check.extraExecutions, extraBound),
    atMost("executions of one call", check.maxExecutions, maxExecutions),
    // NaN is at most nothing: a queue that cannot be asked is not known to be empty.
    atMost("left in the queue", ready, 0),
    atMost("left unacknowledged", unacknowledged, 0),
    ...refused.map(([code, count]) => atMost(`rejected as ${code}`, count, 0)),
    atLeast("answered", check.answered, 1),
  ];
}
