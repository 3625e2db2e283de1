/**
 * Judges a history: what was lost, wrong, left open, and done more than once.
 *
 * It believes nobody: values are computed anew, executions are read from the servers' own files,
 * and requests that are still in the queue count against the row.
 *
 * @module
 */

import type { CallRecord, Execution, History, Remaining } from "./history.ts";

/** How long after its deadline a call may settle. */
export const SETTLE_GRACE_MS = 1_000;

/** What a history comes to. Calls are listed by their numbers. */
export interface Check {
  /** Calls that were made. */
  readonly calls: number;
  /** Calls that resolved. */
  readonly answered: number;
  /**
   * Calls without an outcome, though their time is not over and the queue is empty; and
   * notifications that the broker confirmed and that nobody ran.
   */
  readonly lost: readonly number[];
  /**
   * Calls that resolved with anything but their own output, or with an output that no server had
   * finished; and executions of calls that nobody made.
   */
  readonly wrong: readonly number[];
  /** Calls without an outcome a second after their deadline, or with one that came so late. */
  readonly unsettled: readonly number[];
  /** Calls without an outcome while requests are still in the queue. */
  readonly left: readonly number[];
  /** Calls that settled more than once. */
  readonly settledTwice: readonly number[];
  /** Calls that rejected, by code. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Calls that were not to be repeated and rejected as `disconnected`, which they may. */
  readonly disconnectedOnce: number;
  /** Executions beyond the first of each call. */
  readonly extraExecutions: number;
  /** The most executions of one call. */
  readonly maxExecutions: number;
  /** Executions of requests that had been delivered before. */
  readonly redelivered: number;
  /** What the queue held at the end; `undefined` if it could not be asked. */
  readonly remaining: Remaining | undefined;
}

/** Judges a history. */
export function checkHistory(history: History): Check {
  const { calls, executions, remaining } = history;
  const runs = runsByCall(executions);
  const isDrained = remaining?.ready === 0 && remaining.unacknowledged === 0;
  const open = calls.filter(({ settles }) => settles.length === 0);
  const overdue = open.filter((call) => isOverdue(call, history));
  const inTime = open.filter((call) => !isOverdue(call, history));
  const answered = calls.filter(({ settles }) => settles[0] && settles[0].code === undefined);
  const unheard = answered.filter(({ kind, call }) => kind === "notify" && !runs.has(call));
  const strangers = [...runs.keys()].filter((call) => call >= calls.length);
  const counts = [...runs.values()].map((run) => run.length);
  return {
    calls: calls.length,
    answered: answered.length,
    lost: numbersOf(isDrained ? [...inTime, ...unheard] : []),
    left: numbersOf(isDrained ? [] : [...inTime, ...unheard]),
    wrong: [...numbersOf(answered.filter((call) => isWrong(call, history, runs))), ...strangers],
    unsettled: numbersOf([...overdue, ...calls.filter(isLate)]),
    settledTwice: numbersOf(calls.filter(({ settles }) => settles.length > 1)),
    ...countRejected(calls),
    extraExecutions: counts.reduce((sum, count) => sum + count - 1, 0),
    maxExecutions: counts.reduce((most, count) => Math.max(most, count), 0),
    redelivered: executions.filter(({ redeliveries }) => redeliveries > 0).length,
    remaining,
  };
}

function runsByCall(executions: readonly Execution[]): Map<number, Execution[]> {
  const runs = new Map<number, Execution[]>();
  for (const execution of executions) {
    const run = runs.get(execution.call);
    if (run === undefined) runs.set(execution.call, [execution]);
    else run.push(execution);
  }
  return runs;
}

function isOverdue({ deadlineAt }: CallRecord, { endedAt }: History): boolean {
  return endedAt > deadlineAt + SETTLE_GRACE_MS;
}

function isLate({ deadlineAt, settles }: CallRecord): boolean {
  return settles[0] !== undefined && settles[0].at > deadlineAt + SETTLE_GRACE_MS;
}

function isWrong(
  { call, kind, settles }: CallRecord,
  { expected }: History,
  runs: ReadonlyMap<number, readonly Execution[]>,
): boolean {
  if (kind === "notify") return false;
  const wasRun = runs.get(call)?.some(({ isComplete }) => isComplete) ?? false;
  return !wasRun || settles.some(({ code, output }) => {
    return code === undefined && output !== expected(call);
  });
}

function countRejected(
  calls: readonly CallRecord[],
): Pick<Check, "rejected" | "disconnectedOnce"> {
  const rejected: Record<string, number> = {};
  let disconnectedOnce = 0;
  for (const { kind, settles } of calls) {
    const code = settles[0]?.code;
    if (code === undefined) continue;
    if (kind === "once" && code === "disconnected") disconnectedOnce++;
    else rejected[code] = (rejected[code] ?? 0) + 1;
  }
  return { rejected, disconnectedOnce };
}

function numbersOf(calls: readonly CallRecord[]): number[] {
  return calls.map(({ call }) => call);
}
