/** A clock that moves only from one timer to the next, for tests of thousands of events. @module */

interface Timer {
  readonly id: number;
  readonly dueAt: number;
  readonly callback: () => void;
}

/** Replaces the clocks and timers of this thread until it is disposed of. */
export class VirtualTime implements Disposable {
  readonly #real = { setTimeout, clearTimeout, setImmediate, dateNow: Date.now };
  #timers: Timer[] = [];
  #lastId = 0;
  now = 1_000;

  constructor() {
    Date.now = () => this.now;
    Object.defineProperty(performance, "now", { value: () => this.now, configurable: true });
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, ms = 0) => this.#add(callback, ms),
      clearTimeout: (id?: number) => this.#timers = this.#timers.filter((timer) => timer.id !== id),
      setImmediate: (callback: () => void) => this.#add(callback, 0),
    });
  }

  /** How many timers have neither fired nor been cleared. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Fires the timer that is due first; returns whether there was one. */
  async step(): Promise<boolean> {
    let next = this.#timers[0];
    // Of timers that are due together, the first one set.
    for (const timer of this.#timers) {
      if (next !== undefined && timer.dueAt < next.dueAt) next = timer;
    }
    if (next === undefined) return false;
    this.#timers.splice(this.#timers.indexOf(next), 1);
    this.now = Math.max(this.now, next.dueAt);
    next.callback();
    await this.settle();
    return true;
  }

  /** Lets promises settle. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
  }

  [Symbol.dispose](): void {
    const { dateNow, ...timers } = this.#real;
    Date.now = dateNow;
    Object.assign(globalThis, timers);
    Reflect.deleteProperty(performance, "now");
  }

  #add(callback: () => void, ms: number): number {
    const id = ++this.#lastId;
    this.#timers.push({ id, dueAt: this.now + ms, callback });
    return id;
  }
}
