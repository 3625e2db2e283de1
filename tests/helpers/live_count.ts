/** Counts what a program has set up and not taken down. @module */

/** Counts timers, and listeners of abort signals, from its start on. */
export class LiveCount {
  readonly #timers = new Set<unknown>();
  readonly #listeners = new WeakMap<AbortSignal, number>();

  /** Replaces the functions that make timers and add listeners, for good. */
  static start(): LiveCount {
    const count = new LiveCount();
    count.#watchTimers();
    count.#watchListeners();
    return count;
  }

  /** Timers that have neither fired nor been cleared. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Listeners that were added to a signal and not removed. */
  listenersOf(signal: AbortSignal): number {
    return this.#listeners.get(signal) ?? 0;
  }

  #watchTimers(): void {
    const timers = this.#timers;
    const { setTimeout, clearTimeout } = globalThis;
    function start(run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) {
      const id = setTimeout(() => {
        timers.delete(id);
        run(...args);
      }, ms);
      timers.add(id);
      return id;
    }
    // The compiler knows more properties of it, which nobody uses.
    globalThis.setTimeout = start as typeof setTimeout;
    globalThis.clearTimeout = (id) => {
      timers.delete(id);
      clearTimeout(id);
    };
  }

  #watchListeners(): void {
    const listeners = this.#listeners;
    const { addEventListener, removeEventListener } = AbortSignal.prototype;
    function change(signal: AbortSignal, by: number): void {
      listeners.set(signal, (listeners.get(signal) ?? 0) + by);
    }
    AbortSignal.prototype.addEventListener = function (this: AbortSignal, ...args: unknown[]) {
      change(this, 1);
      Reflect.apply(addEventListener, this, args);
    };
    AbortSignal.prototype.removeEventListener = function (this: AbortSignal, ...args: unknown[]) {
      change(this, -1);
      Reflect.apply(removeEventListener, this, args);
    };
  }
}
