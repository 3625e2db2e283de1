/** Attempts at one call, until one succeeds or no more is allowed. @module */

import { backoffMs, sleep } from "../../internal/time.ts";
import { checkInteger, checkNumber } from "../../internal/check.ts";
import { isRetryable } from "./evidence.ts";

/** When to try again. */
export interface RetryOptions {
  /**
   * Most attempts at one call, the first included; at least 1.
   *
   * @default {3}
   */
  readonly maxAttempts?: number;
  /**
   * Upper bound of the pause before the second attempt, in milliseconds; it doubles from attempt to
   * attempt. The pause is random between 0 and its bound, so that callers that failed together do
   * not come back together.
   *
   * @default {100}
   */
  readonly firstDelayMs?: number;
  /**
   * Upper bound of every pause, in milliseconds.
   *
   * @default {5_000}
   */
  readonly maxDelayMs?: number;
  /**
   * Time that one attempt has, in milliseconds. Without it the first attempt has all the time of
   * the call, and one that times out leaves none for another.
   *
   * @default {undefined}
   */
  readonly attemptTimeoutMs?: number;
  /**
   * Size of the retry budget, which all procedures share. A retryable failure takes 1 token; while
   * no more than half of the tokens are left, nothing is retried.
   *
   * @default {10}
   */
  readonly maxTokens?: number;
  /**
   * Tokens that a call which succeeds gives back, more than 0. With 0.1, retries level off at one
   * for ten calls that succeed.
   *
   * @default {0.1}
   */
  readonly tokenRatio?: number;
}

/** What happens to the attempts at a call. */
export type RetryEvent =
  /** An attempt failed; the next one, number `attempt`, comes after `delayMs` milliseconds. */
  | {
    readonly type: "retrying";
    readonly procedure: string;
    readonly attempt: number;
    readonly delayMs: number;
    readonly error: unknown;
  }
  /** A failure that could be retried was not, for the reason given. */
  | {
    readonly type: "retries-exhausted";
    readonly procedure: string;
    /** How often it was tried. */
    readonly attempts: number;
    readonly reason: "attempts" | "budget" | "deadline";
    readonly error: unknown;
  };

/** A call, as its attempts see it. */
export interface RetriedCall {
  readonly procedure: string;
  /** Unix milliseconds. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  /** Whether the handler may run twice. */
  readonly isIdempotent: boolean;
}

/** Tries calls again, within one budget. */
export class Retrier {
  readonly #options: Required<Omit<RetryOptions, "attemptTimeoutMs">>;
  readonly #attemptTimeoutMs: number;
  readonly #budget: RetryBudget;
  readonly #emit: (event: RetryEvent) => void;

  /**
   * Checks the options.
   *
   * @throws {RangeError} If a number is out of its bounds.
   */
  constructor(options: RetryOptions, emit: (event: RetryEvent) => void) {
    const { maxAttempts = 3, firstDelayMs = 100, maxDelayMs = 5_000 } = options;
    const { attemptTimeoutMs, maxTokens = 10, tokenRatio = 0.1 } = options;
    checkInteger("retry", { maxAttempts, maxTokens, attemptTimeoutMs }, { min: 1 });
    checkInteger("retry", { firstDelayMs, maxDelayMs }, { min: 0 });
    checkNumber("retry", { tokenRatio }, { above: 0 });
    this.#options = { maxAttempts, firstDelayMs, maxDelayMs, maxTokens, tokenRatio };
    this.#attemptTimeoutMs = attemptTimeoutMs ?? Infinity;
    this.#budget = new RetryBudget(maxTokens, tokenRatio);
    this.#emit = emit;
  }

  /**
   * Runs a call.
   *
   * @param call The call.
   * @param attempt Makes one attempt, within so many milliseconds.
   * @returns The output of the attempt that succeeded.
   * @throws What the last attempt rejected with, or the signal's reason.
   */
  async run<Output>(
    call: RetriedCall,
    attempt: (timeoutMs: number) => Promise<Output>,
  ): Promise<Output> {
    for (let attempts = 1;; attempts++) {
      call.signal?.throwIfAborted();
      try {
        const output = await attempt(Math.min(timeLeftMs(call), this.#attemptTimeoutMs));
        this.#budget.succeed();
        return output;
      } catch (error) {
        const delayMs = this.#delayAfter(error, attempts, call);
        if (delayMs === undefined) throw error;
        await sleep(delayMs, call.signal);
      }
    }
  }

  /** The pause before the next attempt; nothing if there is to be none. */
  #delayAfter(error: unknown, attempts: number, call: RetriedCall): number | undefined {
    const { procedure, signal, isIdempotent } = call;
    if (signal?.aborted || !isRetryable(error, isIdempotent)) return undefined;
    this.#budget.fail();
    const { maxAttempts, firstDelayMs: firstMs, maxDelayMs: maxMs } = this.#options;
    const delayMs = backoffMs(attempts, { firstMs, maxMs, minMs: 0 });
    const reason = attempts >= maxAttempts
      ? "attempts"
      : !this.#budget.allowsRetry
      ? "budget"
      : delayMs >= call.deadline - Date.now()
      ? "deadline"
      : undefined;
    if (reason !== undefined) {
      this.#emit({ type: "retries-exhausted", procedure, attempts, reason, error });
      return undefined;
    }
    this.#emit({ type: "retrying", procedure, attempt: attempts + 1, delayMs, error });
    return delayMs;
  }
}

/** At least a millisecond, so that a call that has just run out of time says so itself. */
export function timeLeftMs({ deadline }: Pick<RetriedCall, "deadline">): number {
  return Math.max(1, deadline - Date.now());
}

/**
 * The retry throttling of gRPC (proposal A6): a bucket of tokens that failures empty and successes
 * fill. While it is at most half full, nothing is retried, so that retries cannot hold a service
 * down that is failing under its load.
 */
class RetryBudget {
  readonly #maxTokens: number;
  readonly #tokenRatio: number;
  #tokens: number;

  /**
   * Makes a full bucket.
   *
   * @param maxTokens What it holds.
   * @param tokenRatio What a success adds; a failure takes 1.
   */
  constructor(maxTokens: number, tokenRatio: number) {
    this.#maxTokens = maxTokens;
    this.#tokenRatio = tokenRatio;
    this.#tokens = maxTokens;
  }

  /** Whether a failure may be followed by another attempt. */
  get allowsRetry(): boolean {
    return this.#tokens > this.#maxTokens / 2;
  }

  /** Counts a call that succeeded. */
  succeed(): void {
    this.#tokens = Math.min(this.#maxTokens, this.#tokens + this.#tokenRatio);
  }

  /** Counts an attempt that failed and could be retried. */
  fail(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }
}
