/** Bounds the calls that are under way at a time. @module */

import { RpcError } from "../../errors.ts";
import { checkInteger } from "../../internal/check.ts";

/** How many calls may be under way, and how many may wait. */
export interface BulkheadOptions {
  /** Most calls of a procedure that are under way at a time, pauses between attempts included. */
  readonly maxConcurrent: number;
  /**
   * Most calls of a procedure that wait for that. Further ones fail with `overloaded` at once.
   *
   * @default {0}
   */
  readonly maxQueued?: number;
}

/** What happens at a bulkhead. */
export type BulkheadEvent = {
  /** A call was refused, or waited until its deadline. */
  readonly type: "bulkhead-full";
  readonly procedure: string;
  readonly error: RpcError;
};

/** A call that wants a place. */
export interface BulkheadWait {
  /** How long it may wait, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The places of one procedure. */
export class Bulkhead {
  readonly #procedure: string;
  readonly #options: Required<BulkheadOptions>;
  readonly #emit: (event: BulkheadEvent) => void;
  /** Gives a place to one that waits, oldest first. */
  readonly #waiting = new Set<() => void>();
  #active = 0;

  /** Makes a bulkhead with all places free. */
  constructor(
    procedure: string,
    options: Required<BulkheadOptions>,
    emit: (event: BulkheadEvent) => void,
  ) {
    this.#procedure = procedure;
    this.#options = options;
    this.#emit = emit;
  }

  /**
   * Takes a place, or waits for one.
   *
   * @throws {RpcError} `overloaded`, if none is free and as many calls wait as may, or in time.
   * @throws The signal's reason, if it aborts.
   */
  async enter(wait: BulkheadWait): Promise<void> {
    const { maxConcurrent, maxQueued } = this.#options;
    if (this.#active < maxConcurrent) this.#active++;
    else if (this.#waiting.size < maxQueued) await this.#wait(wait);
    else throw this.#overloaded(`${maxQueued} calls wait`);
  }

  /** Gives a place back: to the call that has waited longest, if there is one. */
  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#active--;
    else next();
  }

  #wait({ timeoutMs, signal }: BulkheadWait): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = () => {
      stopWaiting();
      resolve();
    };
    const abort = () => {
      stopWaiting();
      reject(signal?.reason);
    };
    const expire = () => {
      stopWaiting();
      reject(this.#overloaded(`none became free within ${timeoutMs} ms`));
    };
    const stopWaiting = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(enter);
    };
    const timer = setTimeout(expire, timeoutMs);
    signal?.addEventListener("abort", abort);
    this.#waiting.add(enter);
    return promise;
  }

  #overloaded(state: string): RpcError {
    const procedure = this.#procedure;
    const error = new RpcError(
      "overloaded",
      `Cannot call "${procedure}" as ${this.#options.maxConcurrent} calls of it are under way ` +
        `("maxConcurrent"): ${state}`,
      { retryable: true },
    );
    this.#emit({ type: "bulkhead-full", procedure, error });
    return error;
  }
}

/**
 * Fills in the defaults.
 *
 * @throws {RangeError} If a number is out of its bounds.
 */
export function resolveBulkheadOptions(options: BulkheadOptions): Required<BulkheadOptions> {
  const { maxConcurrent, maxQueued = 0 } = options;
  checkInteger("limit calls", { maxConcurrent }, { min: 1 });
  checkInteger("limit calls", { maxQueued }, { min: 0 });
  return { maxConcurrent, maxQueued };
}
