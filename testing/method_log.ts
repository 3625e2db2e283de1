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

  /** Creates a log that keeps at least the last `capacity` methods. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The methods, oldest first. */
  get events(): readonly MethodEvent[] {
    return this.#events.slice(-this.#capacity);
  }

  /** Returns the methods of one name, in one direction if given. */
  filter(name: MethodName, direction?: MethodDirection): MethodEvent[] {
    return this.events.filter((event) =>
      event.name === name && (direction === undefined || event.direction === direction)
    );
  }

  /** Resolves with the next method that matches; methods of the past do not count. */
  next(matches: (event: MethodEvent) => boolean): Promise<MethodEvent> {
    return new Promise((resolve) => this.#waiters.add({ matches, resolve }));
  }

  /** Forgets all methods. */
  clear(): void {
    this.#events = [];
  }

  /** Adds a method. */
  record(event: MethodEvent): void {
    this.#events.push(event);
    // Cutting at twice the capacity keeps record() at constant cost on average.
    if (this.#events.length >= 2 * this.#capacity) {
      this.#events = this.#events.slice(-this.#capacity);
    }
    for (const waiter of this.#waiters) {
      if (!waiter.matches(event)) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(event);
    }
  }
}
