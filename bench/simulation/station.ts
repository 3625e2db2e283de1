/** Where work is done that waits its turn: cores, a process, workers. @module */

import type { EventQueue } from "./event_queue.ts";

interface Visit {
  readonly ms: number;
  readonly arrivedAt: number;
  readonly done: () => void;
}

/** A queue, first come first served, before so many servers. */
export class Station {
  readonly #events: EventQueue;
  readonly #servers: number;
  readonly #waiting: Visit[] = [];
  #head = 0;
  #busy = 0;
  #busyMs = 0;
  #waitedMs = 0;
  #visits = 0;

  constructor(events: EventQueue, servers: number) {
    this.#events = events;
    this.#servers = servers;
  }

  /** Has something done that takes so long once it is its turn. */
  visit(ms: number, done: () => void): void {
    const visit = { ms, arrivedAt: this.#events.now, done };
    if (this.#busy < this.#servers) this.#serve(visit);
    else this.#waiting.push(visit);
  }

  /** The share of the time that its servers were busy, from the beginning until now. */
  get utilization(): number {
    return this.#busyMs / (this.#events.now * this.#servers);
  }

  /** How long visits have waited for their turn on average, in milliseconds. */
  get meanWaitMs(): number {
    return this.#waitedMs / this.#visits;
  }

  #serve({ ms, arrivedAt, done }: Visit): void {
    this.#busy++;
    this.#visits++;
    this.#waitedMs += this.#events.now - arrivedAt;
    this.#events.after(ms, () => {
      this.#busy--;
      this.#busyMs += ms;
      const next = this.#takeNext();
      if (next !== undefined) this.#serve(next);
      done();
    });
  }

  #takeNext(): Visit | undefined {
    const next = this.#waiting[this.#head];
    if (next === undefined) return undefined;
    this.#head++;
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return next;
  }
}
