/** The end of calls that are for now or never. @module */

import { sleep } from "../time.ts";
import { noCapacity } from "./call_errors.ts";
import type { PendingCall } from "./pending_calls.ts";

/** How long a server has to say that it has taken such a request, in milliseconds. */
const TAKEN_LIMIT_MS = 500;

/** What is looked at before such a call is given up. */
export interface ImmediateCallPath {
  /** How many requests in a queue wait for a server, as far as the client is connected and may ask. */
  countWaiting(queue: string): Promise<number> | undefined;
  /** Aborts when the client is closed. */
  readonly signal: AbortSignal;
}

/**
 * Ends a call as `no-capacity` unless a server takes its request soon. A queue drops what has expired
 * at its head only: behind requests that wait, it would wait, too. Never rejects.
 */
export async function endUnlessTaken(call: PendingCall, path: ImmediateCallPath): Promise<void> {
  await sleep(TAKEN_LIMIT_MS, path.signal);
  if (isTaken(call)) return;
  try {
    // A server by another hand does not say that it has taken a request. Then nothing waits.
    if (await path.countWaiting(call.request.queue) === 0 && call.phase === "queued") return;
  } catch {
    // Without an answer nothing is known: the deadline ends the call.
    return;
  }
  if (!isTaken(call)) call.abandon(noCapacity(call.report()));
}

function isTaken(call: PendingCall): boolean {
  return call.isSettled || call.phase === "running" || call.phase === "replied";
}
