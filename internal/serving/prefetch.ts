/** How many requests a server should have in hand. @module */

import { checkInteger } from "../check.ts";
import type { CapacityLoad, EncodedHandler, HandlerCapacity } from "../running/encoded_handler.ts";

/** For handlers that do not say what they can take. */
const DEFAULT_PREFETCH = 16;

/** The most that the broker is asked for: a quorum queue gives no more at a time. */
const MAX_PREFETCH = 2_000;

/** Follows what the handlers of a server can take. */
export class Prefetch {
  readonly #wanted: number | undefined;
  readonly #capacities: ReadonlySet<HandlerCapacity>;
  readonly #hasFunctions: boolean;
  #endings: readonly (() => void)[] = [];

  /**
   * Looks at the handlers.
   *
   * @param handlers All handlers of a server.
   * @param wanted What its user asks for, if so.
   * @throws {RangeError} If that is out of bounds.
   */
  constructor(handlers: Iterable<EncodedHandler>, wanted: number | undefined) {
    checkInteger("listen", { prefetch: wanted }, { min: 1, max: MAX_PREFETCH });
    const capacities = [...handlers].map(({ capacity }) => capacity);
    this.#wanted = wanted;
    this.#capacities = new Set(capacities.filter((capacity) => capacity !== undefined));
    this.#hasFunctions = capacities.includes(undefined);
  }

  /** How many requests to have in hand at the moment. */
  get count(): number {
    if (this.#wanted === undefined) {
      const count = this.#sum(({ recommended }) => recommended);
      return Math.min(MAX_PREFETCH, count + (this.#hasFunctions ? DEFAULT_PREFETCH : 0));
    }
    if (this.#hasFunctions) return this.#wanted;
    return Math.min(this.#wanted, this.#sum(({ limit }) => limit));
  }

  /** How busy the pools behind the handlers are. */
  loads(): CapacityLoad[] {
    return [...this.#capacities].flatMap(({ load }) => load ?? []);
  }

  /**
   * Gives each pool behind the handlers more workers, or fewer.
   *
   * @returns How many pools there are.
   * @throws {RangeError} If there cannot be as many.
   */
  resize(workers: number): number {
    const pools = [...this.#capacities].filter(({ resize }) => resize !== undefined);
    for (const pool of pools) pool.resize?.(workers);
    return pools.length;
  }

  /** Calls back whenever there may be another count, until {@linkcode unwatch}. */
  watch(listener: () => void): void {
    this.#endings = [...this.#capacities].map((capacity) => capacity.watch(listener));
  }

  /** Ends {@linkcode watch}. */
  unwatch(): void {
    for (const end of this.#endings) end();
  }

  #sum(part: (capacity: HandlerCapacity) => number): number {
    let sum = 0;
    for (const capacity of this.#capacities) sum += part(capacity);
    return sum;
  }
}
