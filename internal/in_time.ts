/** What must be done within a time, or is given up. @module */

import { untilAborted } from "./until_aborted.ts";

/**
 * Does something within a time.
 *
 * @param limitMs The time, in milliseconds.
 * @param start Starts it; the signal tells when it is given up.
 * @returns What it gives.
 * @throws {Error} With `ETIMEDOUT` in its message, if time is up.
 */
export async function inTime<Result>(
  limitMs: number,
  start: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(
    () => controller.abort(new Error("Cannot wait as time is up: ETIMEDOUT")),
    limitMs,
  );
  try {
    return await untilAborted(start(signal), signal);
  } finally {
    clearTimeout(timer);
  }
}
