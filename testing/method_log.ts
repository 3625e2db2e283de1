/** The methods that went over the wire, for assertions in tests. @module */

import type { Method, MethodName } from "./wire/methods.ts";

/** Which way a method went, as the broker sees it. */
export type MethodDirection = "received" | "sent";

/** One method on the wire. */
export type MethodEvent = Method & {
  /** The number of the connection, counted from 1 in the order of accepting. */
  readonly connection: number;
  /** The channel number. */
  readonly channel: number;
  /** Which way it went. */
  readonly direction: MethodDirection;
};

interface Waiter {
  readonly matches: (event: MethodEvent) => boolean;
  readonly resolve: (event: MethodEvent) => void;
}

/** Keeps the last methods that clients sent and received. */
export class MethodLog {
  readonly #capacity: number;
  readonly #waiters = new Set<Waiter>();
  #events: MethodEvent[] = [];
  #count = 0;

  /** Creates a log that keeps at least the last `capacity` methods. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The methods, oldest first. */
  get events(): readonly MethodEvent[] {
    return this.#events.slice(-this.#capacity);
  }

  /** The number of methods so far, those included that are not kept any more. */
  get count(): number {
    return this.#count;
  }

  /** Returns the kept methods after the first `after`, each with its number, counted from 1. */
  numbered(after: number = 0): [number: number, event: MethodEvent][] {
    const { events } = this;
    const first = this.#count - events.length + 1;
    return events.slice(Math.max(0, after - first + 1)).map((event, index) => [
      Math.max(first, after + 1) + index,
      event,
    ]);
  }

  /** Returns the methods of one name, in one direction if given. */
  filter(name: MethodName, direction?: MethodDirection): MethodEvent[] {
    return this.events.filter((event) =>
      event.name === name && (direction === undefined || event.direction === direction)
    );
  }

  /**
   * Resolves with the next method that matches; methods of the past do not count.
   *
   * @throws The reason of `signal` if it is aborted before.
   */
  next(
    matches: (event: MethodEvent) => boolean,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<MethodEvent> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const waiter: Waiter = { matches, resolve: (event) => settle(() => resolve(event)) };
      const onAbort = (): void => settle(() => reject(signal?.reason));
      const settle = (end: () => void): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", onAbort);
        end();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Forgets all methods. */
  clear(): void {
    this.#events = [];
  }

  /** Adds a method. */
  record(event: MethodEvent): void {
    this.#events.push(event);
    this.#count++;
    // Cutting at twice the capacity keeps record() at constant cost on average.
    if (this.#events.length >= 2 * this.#capacity) {
      this.#events = this.#events.slice(-this.#capacity);
    }
    for (const waiter of this.#waiters) {
      if (waiter.matches(event)) waiter.resolve(event);
    }
  }
}
