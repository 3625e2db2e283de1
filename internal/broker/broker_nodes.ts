/** The nodes of a cluster, tried in turn. @module */

import { RpcError } from "../../errors.ts";
import { backoffMs, type BackoffOptions, sleep } from "../time.ts";
import type { BrokerAddress } from "./broker_address.ts";

/** No attempt waits longer than a second: a broker that is back is to be used soon. */
export const BACKOFF: BackoffOptions = { firstMs: 400, maxMs: 1_000, minMs: 100 };

/** Of a broker that refuses, which somebody has to do something about. */
const REFUSED_BACKOFF: BackoffOptions = { firstMs: 1_000, maxMs: 30_000, minMs: 500 };

/**
 * Tells whether the broker answers, and refuses: a passing fault of the network is none, nor is a
 * reply queue that another client is about to leave.
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof RpcError)) return false;
  return error.code === "access-refused" || (error.code === "misconfigured" && !error.retryable);
}

/** How long to wait before the next attempt, after so many refusals in a row. */
export function refusedBackoffMs(refusals: number): number {
  return backoffMs(refusals, REFUSED_BACKOFF);
}

/** Where a broker is: one node, or the several of a cluster. */
export class BrokerNodes {
  readonly #addresses: readonly BrokerAddress[];
  /** The node to try first: not the one that has just failed. */
  #next = 0;

  /** Takes at least one address. */
  constructor(addresses: readonly BrokerAddress[]) {
    this.#addresses = addresses;
  }

  /** Whether there is more than one. */
  get areSeveral(): boolean {
    return this.#addresses.length > 1;
  }

  /**
   * Tries each node once, from that after the last one on, until one does.
   *
   * @param open What to do at a node.
   * @param isFinal Whether no other node is to be tried after an error.
   * @throws An error that is final, or else one that may pass, if there is any.
   */
  async tryEach<Result>(
    open: (address: BrokerAddress) => Promise<Result>,
    isFinal: (error: unknown) => boolean,
  ): Promise<Result> {
    const first = this.#next;
    const failures: unknown[] = [];
    for (const address of [...this.#addresses.slice(first), ...this.#addresses.slice(0, first)]) {
      this.#next = (this.#addresses.indexOf(address) + 1) % this.#addresses.length;
      try {
        return await open(address);
      } catch (error) {
        if (isFinal(error)) throw error;
        failures.push(error);
      }
    }
    throw failures.find((error) => error instanceof RpcError && error.retryable) ?? failures.at(-1);
  }
}

/** Options of {@linkcode whenReachable}. */
export interface WaitOptions {
  /** How long to go on, in milliseconds; an attempt that has begun may take longer. */
  readonly waitForBrokerMs: number;
  /** Told of each pause before another attempt. */
  readonly onPause: (attempt: number, delayMs: number, error: RpcError) => void;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/**
 * Connects, again and again as long as the broker cannot be reached.
 *
 * @param connect Tries it once.
 * @throws What the last attempt says; at once, if it is anything but `unreachable`.
 */
export async function whenReachable<Result>(
  connect: () => Promise<Result>,
  { waitForBrokerMs, onPause, signal }: WaitOptions,
): Promise<Result> {
  const until = performance.now() + waitForBrokerMs;
  for (let attempt = 1;; attempt++) {
    try {
      return await connect();
    } catch (error) {
      const isUnreachable = error instanceof RpcError && error.code === "unreachable";
      const delayMs = backoffMs(attempt, BACKOFF);
      if (!isUnreachable || performance.now() + delayMs > until || signal.aborted) throw error;
      onPause(attempt, delayMs, error);
      await sleep(delayMs, signal);
      if (signal.aborted) throw error;
    }
  }
}
