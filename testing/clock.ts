/** Time as the broker sees it: the system's, or one that a test moves by hand. @module */

/** A pending timer. */
export interface ClockTimer {
  /** Keeps the callback from running; does nothing if it has run. */
  cancel(): void;
}

/** Source of time for message TTLs, queue expiry and heartbeats. */
export interface Clock {
  /** Returns the current Unix time in milliseconds. */
  now(): number;
  /** Runs `callback` once, after `delayMs`. */
  schedule(delayMs: number, callback: () => void): ClockTimer;
}

/** `setTimeout` runs longer delays at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The system's clock. */
export class SystemClock implements Clock {
  /** Returns the current Unix time in milliseconds. */
  now(): number {
    return Date.now();
  }

  /** Runs `callback` once, after `delayMs`. */
  schedule(delayMs: number, callback: () => void): ClockTimer {
    let id = setTimeout(function fire(): void {
      delayMs -= MAX_TIMEOUT_MS;
      if (delayMs <= 0) callback();
      else id = setTimeout(fire, Math.min(delayMs, MAX_TIMEOUT_MS));
    }, Math.min(delayMs, MAX_TIMEOUT_MS));
    return { cancel: () => clearTimeout(id) };
  }
}

interface VirtualTimer {
  readonly dueAt: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until it is advanced.
 *
 * @example Let a message expire without waiting
 * ```ts
 * import { TestBroker, VirtualClock } from "@warren/rpc/testing";
 *
 * const clock = new VirtualClock();
 * await using broker = await TestBroker.start({ clock });
 * clock.advance(60_000);
 * ```
 */
export class VirtualClock implements Clock {
  readonly #timers = new Set<VirtualTimer>();
  #now: number;

  /** Creates a clock that stands at `startMs`, a Unix time in milliseconds. */
  constructor(startMs: number = Date.now()) {
    this.#now = startMs;
  }

  /** Returns the time to which the clock was advanced. */
  now(): number {
    return this.#now;
  }

  /** Runs `callback` once, when the clock has been advanced by `delayMs`. */
  schedule(delayMs: number, callback: () => void): ClockTimer {
    const timer = { dueAt: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Moves the time forward by `ms` and runs what becomes due, each at its own time, in order. */
  advance(ms: number): void {
    const target = this.#now + ms;
    for (let next = this.#next(target); next !== undefined; next = this.#next(target)) {
      this.#timers.delete(next);
      this.#now = next.dueAt;
      next.callback();
    }
    this.#now = target;
  }

  #next(target: number): VirtualTimer | undefined {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= target && (next === undefined || timer.dueAt < next.dueAt)) next = timer;
    }
    return next;
  }
}
