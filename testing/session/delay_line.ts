/** What is sent late because a test wants it, in order on every channel. @module */

import type { Clock, ClockTimer } from "../clock.ts";

interface Late {
  readonly dueAt: number;
  readonly send: () => void;
}

/** Keeps what is to be sent until its time has come. */
export class DelayLine {
  readonly #clock: Clock;
  readonly #channels = new Map<number, Late[]>();
  readonly #timers = new Map<number, ClockTimer>();
  #onEmpty: (() => void) | undefined;

  /** Creates a line on which nothing waits. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells whether something waits to be sent on a channel. */
  isWaiting(channel: number): boolean {
    return this.#channels.has(channel);
  }

  /** Sends something after a while, and after all that waits on its channel. */
  add(channel: number, delayMs: number, send: () => void): void {
    const waiting = this.#channels.get(channel);
    const dueAt = Math.max(this.#clock.now() + delayMs, waiting?.at(-1)?.dueAt ?? 0);
    if (waiting !== undefined) return void waiting.push({ dueAt, send });
    this.#channels.set(channel, [{ dueAt, send }]);
    this.#schedule(channel, dueAt);
  }

  /** Calls back once nothing waits any more. */
  whenEmpty(callback: () => void): void {
    if (this.#channels.size === 0) callback();
    else this.#onEmpty = callback;
  }

  /** Forgets what waits. */
  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#channels.clear();
    this.#onEmpty = undefined;
  }

  #schedule(channel: number, dueAt: number): void {
    const delayMs = dueAt - this.#clock.now();
    this.#timers.set(channel, this.#clock.schedule(delayMs, () => this.#sendDue(channel)));
  }

  #sendDue(channel: number): void {
    const waiting = this.#channels.get(channel) ?? [];
    for (let [first] = waiting; first !== undefined; [first] = waiting) {
      if (first.dueAt > this.#clock.now()) return this.#schedule(channel, first.dueAt);
      waiting.shift();
      first.send();
      // Sending may have ended the connection.
      if (this.#channels.get(channel) !== waiting) return;
    }
    this.#timers.delete(channel);
    this.#channels.delete(channel);
    if (this.#channels.size > 0) return;
    const onEmpty = this.#onEmpty;
    this.#onEmpty = undefined;
    onEmpty?.();
  }
}
