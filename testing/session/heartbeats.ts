/** Heartbeats of one connection, in both directions. @module */

import type { Clock, ClockTimer } from "../clock.ts";

/** What heartbeats need to know and to do. */
export interface HeartbeatsOptions {
  /** The negotiated interval. */
  readonly intervalMs: number;
  /** Source of time. */
  readonly clock: Clock;
  /** Sends a heartbeat. */
  readonly send: () => void;
  /** Called when the peer has been silent for two intervals. */
  readonly onSilence: () => void;
}

/** Sends a heartbeat in every half interval without traffic, and listens for the peer's. */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  /** Whether silence counts; it does not while the connection is not read. */
  isListening = true;
  #sentSomething = false;
  #silentTicks = 0;
  #timer: ClockTimer | undefined;

  /** Creates heartbeats that have not started. */
  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Starts, unless the interval is 0. */
  start(): void {
    if (this.#options.intervalMs > 0) this.#schedule();
  }

  /** Stops. */
  stop(): void {
    this.#timer?.cancel();
  }

  /** Notes that something was sent. */
  noteSent(): void {
    this.#sentSomething = true;
  }

  /** Notes that something was received. */
  noteReceived(): void {
    this.#silentTicks = 0;
  }

  #schedule(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.schedule(intervalMs / 2, () => this.#tick());
  }

  #tick(): void {
    if (this.isListening) this.#silentTicks++;
    // Two intervals are four ticks; traffic just before a tick does not shorten them.
    if (this.#silentTicks > 4) return this.#options.onSilence();
    if (!this.#sentSomething) this.#options.send();
    this.#sentSomething = false;
    this.#schedule();
  }
}
