/** Calls of tasks that go wrong, what their callers hear, and what is kept of them. @module */

import { type RpcClient, RpcError } from "../../mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import type { BadTask } from "../servers/bad_tasks.ts";

/** A task that goes wrong, and what must become of its request. */
export interface Guilty {
  readonly task: BadTask;
  /** The code that its caller must get. */
  readonly code: string;
  /** After how many deliveries it must be parked; absent if it must not be. */
  readonly deliveries?: number;
  /** Whether it may be tried again. */
  readonly idempotent?: false;
}

/** A call of such a task. */
export interface Trial {
  readonly guilty: Guilty;
  /** What its caller got: a code, or words for what is no typed error. */
  readonly outcome: string;
  /** From the call to its outcome, in milliseconds. */
  readonly ms: number;
}

/** Options of {@linkcode commit}. */
export interface CommitOptions {
  /**
   * Milliseconds for a task that loops; anything but 0 for the others.
   *
   * @default {1}
   */
  readonly input?: number;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 60_000;

/** Calls a task that goes wrong, and waits for the outcome. */
export async function commit(
  client: RpcClient,
  guilty: Guilty,
  { input = 1, timeoutMs = TIMEOUT_MS }: CommitOptions = {},
): Promise<Trial> {
  const start = performance.now();
  const { task, idempotent = true } = guilty;
  const outcome = await client.call(task, input, { timeoutMs, idempotent }).then(
    () => "an output",
    (error: unknown) => error instanceof RpcError ? error.code : `${error}`,
  );
  return { guilty, outcome, ms: performance.now() - start };
}

/** Counts calls that ended otherwise than they must. */
export function countMisjudged(trials: readonly Trial[]): number {
  return trials.filter(isMisjudged).length;
}

/** What calls ended with that ended otherwise than they must, for the report. */
export function otherOutcomes(trials: readonly Trial[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { guilty, outcome } of trials.filter(isMisjudged)) {
    const name = `${guilty.task} ended with ${outcome}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** The call that took longest, for the report. */
export function slowestCall(trials: readonly Trial[]): Record<string, number> {
  const [slowest] = trials.toSorted((a, b) => b.ms - a.ms);
  return slowest === undefined ? {} : { [`slowest was "${slowest.guilty.task}", ms`]: slowest.ms };
}

/** Counts requests that must be parked and are not, and those that are and must not be. */
export async function countMisparked(
  { url, queue, trials }: {
    readonly url: string;
    readonly queue: string;
    readonly trials: readonly Trial[];
  },
): Promise<number> {
  await using requests = await ParkedRequests.open(url, { queue });
  const open = trials.flatMap(({ guilty: { task, code, deliveries } }) =>
    deliveries === undefined ? [] : [`${task} ${code} ${deliveries}`]
  );
  let strangers = 0;
  for (const { procedure, reason, deliveries } of await requests.list({ limit: 10_000 })) {
    const index = open.indexOf(`${procedure} ${reason} ${deliveries}`);
    if (index === -1) strangers++;
    else open.splice(index, 1);
  }
  return open.length + strangers;
}

function isMisjudged({ guilty, outcome }: Trial): boolean {
  return outcome !== guilty.code;
}
