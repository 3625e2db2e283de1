/**
 * What happened in a row, as both ends saw it: each call and what became of it, and each execution,
 * in the manner of Jepsen. What it means is up to the checker.
 *
 * @module
 */

/**
 * How a call was made.
 *
 * - `call`: `client.call()`.
 * - `once`: the same with `idempotent: false`: it may end as `disconnected`, but is not repeated.
 * - `callback`: `client.callAsync()`.
 * - `notify`: `client.notify()`, which has no output; it settles when the broker confirms it.
 */
export type CallKind = "call" | "once" | "callback" | "notify";

/** How a call ended, or ended once more. */
export interface Settle {
  /** When, in Unix milliseconds. */
  readonly at: number;
  /** What it resolved with; absent for an error. */
  readonly output?: unknown;
  /** The code of the error that it rejected with. */
  readonly code?: string;
  /** How far it had come when it was rejected, as its client knew; `queued` means confirmed. */
  readonly phase?: string;
}

/** An attempt to have work done. */
export interface CallRecord {
  /** Its number, unique within the history. */
  readonly call: number;
  readonly kind: CallKind;
  /** When it was made, in Unix milliseconds. */
  readonly startedAt: number;
  /** When its client promises an outcome, in Unix milliseconds. */
  readonly deadlineAt: number;
  /** What became of it: one entry, if all is well. */
  readonly settles: readonly Settle[];
}

/** A handler that began to run. */
export interface Execution {
  /** The call that it was for. */
  readonly call: number;
  /** Which server ran it. */
  readonly server: string;
  /** How often the broker had delivered the request before. */
  readonly redeliveries: number;
  /** When it began, in Unix milliseconds. */
  readonly startedAt: number;
  /** Whether it came to its end. */
  readonly isComplete: boolean;
}

/** Requests that were still in the queue at the end. */
export interface Remaining {
  /** Those that wait for a server. */
  readonly ready: number;
  /** Those that a server has and has not acknowledged. */
  readonly unacknowledged: number;
}

/** All that happened. */
export interface History {
  readonly calls: readonly CallRecord[];
  readonly executions: readonly Execution[];
  /** When all had come to rest, or the wait for that was given up, in Unix milliseconds. */
  readonly endedAt: number;
  /** What the queue held then; `undefined` if it could not be asked. */
  readonly remaining: Remaining | undefined;
  /** The output that a call must have. */
  readonly expected: (call: number) => unknown;
}

interface OpenRecord extends CallRecord {
  readonly settles: Settle[];
}

/** Options of {@linkcode CallLog.begin}. */
export interface CallBeginning {
  readonly kind: CallKind;
  readonly timeoutMs: number;
}

/** Records the calls of a row while they are made. */
export class CallLog {
  readonly #calls: OpenRecord[] = [];
  readonly #successes: number[] = [];
  #settled = 0;
  #lastSettledAt = 0;
  #isSealed = false;

  /** All calls so far. */
  get calls(): readonly CallRecord[] {
    return this.#calls;
  }

  /** When calls resolved, in Unix milliseconds, in order. */
  get successes(): readonly number[] {
    return this.#successes;
  }

  /** Calls without an outcome. */
  get open(): number {
    return this.#calls.length - this.#settled;
  }

  /** When a call settled last, in Unix milliseconds; 0 if none has. */
  get lastSettledAt(): number {
    return this.#lastSettledAt;
  }

  /** Records an attempt; its number is its place. */
  begin({ kind, timeoutMs }: CallBeginning): CallRecord {
    const startedAt = now();
    const deadlineAt = startedAt + timeoutMs;
    const record = { call: this.#calls.length, kind, startedAt, deadlineAt, settles: [] };
    this.#calls.push(record);
    return record;
  }

  /** Records an outcome; what comes after the row has ended is no part of it. */
  settle({ call }: CallRecord, outcome: Omit<Settle, "at">): void {
    const settles = this.#calls[call]?.settles;
    if (this.#isSealed || settles === undefined) return;
    const at = now();
    this.#lastSettledAt = at;
    if (settles.length === 0) this.#settled++;
    settles.push({ at, ...outcome });
    if (outcome.code === undefined) this.#successes.push(at);
  }

  /** Ends the record. */
  seal(): void {
    this.#isSealed = true;
  }
}

/** The time in Unix milliseconds, with fractions, and alike in all processes. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
