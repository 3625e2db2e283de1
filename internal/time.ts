/** Waits, deadlines and delays, none of which exceeds what a timer can count. @module */

import process from "node:process";

/** The longest timer, in milliseconds: beyond it `setTimeout` fires at once. */
export const MAX_TIMEOUT_MS: number = 2 ** 31 - 1;

/**
 * How far the caller's clock may be ahead of or behind ours, in milliseconds, without harm to a
 * call. The broker's own `expiration` needs no clock and removes most requests in time.
 */
export const CLOCK_TOLERANCE_MS = 5_000;

/** Tells whether a caller has stopped waiting at its deadline, whatever its clock says. */
export function isExpired(deadline: number | undefined): boolean {
  return deadline !== undefined && Date.now() > deadline + CLOCK_TOLERANCE_MS;
}

/** A wait that took longer than it may. */
export class TimeLimitError extends Error {
  override readonly name = "TimeLimitError";

  constructor(limitMs: number) {
    super(`Cannot wait any longer as the limit has passed: it is ${limitMs} ms`);
  }
}

/** Waits; an abort, before or meanwhile, only makes the wait shorter. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", wake);
    resolve();
  };
  const timer = setTimeout(wake, Math.min(ms, MAX_TIMEOUT_MS));
  signal?.addEventListener("abort", wake);
  return promise;
}

/**
 * Waits until a promise settles, but no longer than so many milliseconds; `Infinity` is allowed. It
 * never rejects.
 *
 * @returns Whether the promise settled in time.
 */
export async function waitAtMost(limitMs: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: expired, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), Math.min(limitMs, MAX_TIMEOUT_MS));
  const settled = promise.then(() => true, () => true);
  try {
    return await Promise.race([settled, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Does something within a time.
 *
 * @param limitMs The time, in milliseconds.
 * @param start Starts it; the signal aborts when time is up.
 * @returns What it gives.
 * @throws {TimeLimitError} If time is up; what was started may go on.
 */
export async function withTimeout<Result>(
  limitMs: number,
  start: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(
    () => controller.abort(new TimeLimitError(limitMs)),
    Math.min(limitMs, MAX_TIMEOUT_MS),
  );
  try {
    return await abortable(start(signal), signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for a promise, at most until a signal aborts. What the promise stands for goes on.
 *
 * @throws The signal's reason, if it aborts first.
 */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Bounds of {@linkcode backoffMs}. */
export interface BackoffOptions {
  /** Upper bound of the first delay, in milliseconds. */
  readonly firstMs: number;
  /** Upper bound of every delay, in milliseconds. */
  readonly maxMs: number;
  /** Lower bound of every delay, in milliseconds. */
  readonly minMs: number;
}

/**
 * Tells how long to wait before an attempt: exponential backoff with full jitter.
 *
 * @param attempt The number of the attempt, from 1.
 * @param options The bounds.
 * @returns A random delay in milliseconds.
 */
export function backoffMs(attempt: number, options: BackoffOptions): number {
  const { firstMs, maxMs, minMs } = options;
  const bound = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(minMs + Math.random() * Math.max(0, bound - minMs));
}

/**
 * Does something after all microtasks of the turn, and before anything else happens. A tick alone, asked
 * for by the callback of a timer, would come before its microtasks.
 */
export function afterTurn(work: () => void): void {
  queueMicrotask(() => process.nextTick(work));
}

/**
 * Tells when the earliest of many deadlines has passed: a timer per call would cost a twentieth of
 * its round trip. Deadlines are moments of `performance.now()`, as nobody sets that clock back.
 */
export class DeadlineTimer {
  readonly #onDue: () => number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Infinity;

  /**
   * Makes a timer that is not running.
   *
   * @param onDue Ends whatever is due; returns the next deadline, if any.
   */
  constructor(onDue: () => number | undefined) {
    this.#onDue = onDue;
  }

  /** Takes care that `onDue` is called no later than at this moment. */
  schedule(deadline: number): void {
    // A timer that is set earlier finds nothing due and is set anew: cheaper than to keep it exact.
    if (deadline >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = deadline;
    const leftMs = Math.max(0, deadline - performance.now());
    this.#timer = setTimeout(() => this.#fire(), Math.min(leftMs, MAX_TIMEOUT_MS));
  }

  /** Ends the timer. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Infinity;
  }

  #fire(): void {
    this.#dueAt = Infinity;
    const next = this.#onDue();
    if (next !== undefined) this.schedule(next);
  }
}
