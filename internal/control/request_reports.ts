/** What a server tells of the requests that it has in hand: nothing by which they could be cancelled. @module */

import { createHash } from "node:crypto";
import {
  operatorsIdOf,
  REQUEST_ID_CHARS,
  type RequestReport,
} from "../protocol/control_question.ts";
import type { ActiveRequest } from "../serving/active_requests.ts";
import { toPrintable } from "../text.ts";

/** Characters of the names of callers. */
const CALLER_CHARS = 6;

/** The longest text that is read as a number. */
const MAX_NUMBER_CHARS = 32;

/** Names of procedures are strangers' as long as nobody has found them unknown. */
const MAX_NAME_CHARS = 80;

/** By what their callers call them. */
const ids = new WeakMap<ActiveRequest, string>();

/** The id by which operators know a request, from which nobody learns its correlation id. */
export function requestIdOf(active: ActiveRequest): string {
  const known = ids.get(active);
  if (known !== undefined) return known;
  // Without one it is nobody's but this server's.
  const id = operatorsIdOf(active.request.correlationId ?? crypto.randomUUID());
  ids.set(active, id);
  return id;
}

/** Finds a request by the id that operators know, or by its correlation id. */
export function findRequest(
  requests: readonly ActiveRequest[],
  id: string,
): ActiveRequest | undefined {
  const isOurs = id.length === REQUEST_ID_CHARS;
  return requests.find((active) =>
    active.request.correlationId === id || (isOurs && requestIdOf(active) === id)
  );
}

/** Tells of a request. */
export function requestReport(active: ActiveRequest, procedure: string | undefined): RequestReport {
  const { place, request, runMs, delivery } = active;
  const progress = readProgress(active);
  const isRunning = place?.state === "running";
  return {
    id: requestIdOf(active),
    procedure: toPrintable((procedure ?? "").slice(0, MAX_NAME_CHARS)),
    state: place?.state ?? "settling",
    ...(isRunning && place.worker !== undefined && { worker: place.worker }),
    ...(place?.state === "waiting" && { ahead: place.ahead }),
    forMs: Math.round((isRunning ? place.forMs : undefined) ?? runMs),
    ...(progress !== undefined && { progress }),
    ...(request.replyTo !== undefined && { caller: callerOf(request.replyTo) }),
    attempt: delivery.redeliveries + 1,
  };
}

/** What else it may be is its caller's own affair. */
function readProgress({ progress }: ActiveRequest): number | undefined {
  if (typeof progress?.body !== "string" || progress.body.length > MAX_NUMBER_CHARS) {
    return undefined;
  }
  const value = Number(progress.body);
  return progress.body.trim() === "" || !Number.isFinite(value) ? undefined : value;
}

function callerOf(replyTo: string): string {
  return createHash("sha256").update(replyTo).digest("hex").slice(0, CALLER_CHARS);
}
