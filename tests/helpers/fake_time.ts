/** A clock that only tests move. @module */

interface Timer {
  readonly dueAt: number;
  readonly callback: () => void;
}

/** Replaces the clock and the timers of this thread until it is disposed of. */
export class FakeTime implements Disposable {
  readonly #real = { now: Date.now, setTimeout, clearTimeout, random: Math.random };
  readonly #timers = new Map<number, Timer>();
  #now = 1_000_000;
  #nextId = 1;

  /** Stops the clock; pauses with jitter take half of their bound. */
  constructor() {
    Date.now = () => this.#now;
    Math.random = () => 0.5;
    // The code under test uses no more of the timers than this.
    Object.assign(globalThis, {
      setTimeout: (callback: () => void, ms = 0) => {
        this.#timers.set(this.#nextId, { dueAt: this.#now + ms, callback });
        return this.#nextId++;
      },
      clearTimeout: (id?: number) => this.#timers.delete(id ?? 0),
    });
  }

  /** Timers that have neither fired nor been cleared. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass: what becomes due is run, and what that starts, too. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (let next = this.#due(end); next !== undefined; next = this.#due(end)) {
      const [id, timer] = next;
      this.#timers.delete(id);
      this.#now = timer.dueAt;
      timer.callback();
      await this.settle();
    }
    this.#now = end;
  }

  /** Lets promises settle. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  }

  /** Brings the real clock back. */
  [Symbol.dispose](): void {
    Date.now = this.#real.now;
    Math.random = this.#real.random;
    globalThis.setTimeout = this.#real.setTimeout;
    globalThis.clearTimeout = this.#real.clearTimeout;
  }

  #due(end: number): [number, Timer] | undefined {
    return [...this.#timers].filter(([, { dueAt }]) => dueAt <= end)
      .sort(([, a], [, b]) => a.dueAt - b.dueAt)[0];
  }
}
