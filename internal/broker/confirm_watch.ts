/** Notices that the broker confirms nothing any more. @module */

/** What a {@linkcode ConfirmWatch} asks and tells. */
export interface ConfirmWatchOptions {
  /** Longest silence while messages are unconfirmed, in milliseconds. */
  readonly limitMs: number;
  /** Whether messages wait for their confirms. */
  readonly isWaiting: () => boolean;
  /** Whether the broker has said that it does not read: then its silence means nothing. */
  readonly isBlocked: () => boolean;
  /** Called when the silence has lasted too long. */
  readonly onSilence: () => void;
}

/** A timer that fires so much too late tells of a blocked event loop, not of a silent broker. */
const MAX_TIMER_DELAY_MS = 500;

/**
 * Measures the silence of a broker that owes confirms. A node that hangs keeps its connections open,
 * and heartbeats notice it late.
 */
export class ConfirmWatch {
  readonly #options: ConfirmWatchOptions;
  #silentSince = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConfirmWatchOptions) {
    this.#options = options;
  }

  /** Says that the broker owes a confirm from now on, or has just sent one. */
  restart(): void {
    this.#silentSince = performance.now();
    if (this.#timer === undefined) this.#wait(this.#options.limitMs);
  }

  /** Ends the watch. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(ms: number): void {
    const dueAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#check(dueAt), ms);
  }

  #check(dueAt: number): void {
    const { limitMs, isWaiting, isBlocked, onSilence } = this.#options;
    this.#timer = undefined;
    if (!isWaiting()) return;
    const now = performance.now();
    if (isBlocked() || now - dueAt > MAX_TIMER_DELAY_MS) this.#silentSince = now;
    const leftMs = this.#silentSince + limitMs - now;
    if (leftMs <= 0) return onSilence();
    this.#wait(leftMs);
  }
}
