/** Heartbeats of one connection, in both directions. @module */

import type { Clock, ClockTimer } from "../clock.ts";

/** What heartbeats need to know and to do. */
export interface HeartbeatsOptions {
  /** The negotiated interval. */
  readonly intervalMs: number;
  /** Source of time. */
  readonly clock: Clock;
  /** Sends a heartbeat at once. */
  readonly send: () => void;
  /** Called when the peer has been silent for two whole intervals, and some of a third. */
  readonly onSilence: () => void;
}

/** Whole intervals without a byte that are forgiven. */
const FORGIVEN_INTERVALS = 1;

/**
 * Sends a heartbeat after every half interval without other traffic, and looks for the peer's once
 * in every interval.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  #sendTimer: ClockTimer | undefined;
  #receiveTimer: ClockTimer | undefined;
  #hasSent = false;
  /** The first heartbeat is sent whatever else was. */
  #isFirst = true;
  #hasReceived = true;
  #silentIntervals = 0;

  /** Creates heartbeats that have not started. */
  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Starts, unless the interval is 0. */
  start(): void {
    if (this.#options.intervalMs === 0) return;
    this.#scheduleSend();
    this.#scheduleReceive();
  }

  /** Stops. */
  stop(): void {
    this.#sendTimer?.cancel();
    this.#receiveTimer?.cancel();
  }

  /** Says whether silence counts; it does not while the connection is not read. */
  listen(isListening: boolean): void {
    this.#receiveTimer?.cancel();
    this.#hasReceived = true;
    this.#silentIntervals = 0;
    if (isListening && this.#options.intervalMs > 0) this.#scheduleReceive();
  }

  /** Notes that something was sent. */
  noteSent(): void {
    this.#hasSent = true;
  }

  /** Notes that something was received. */
  noteReceived(): void {
    this.#hasReceived = true;
  }

  #scheduleSend(): void {
    const { clock, intervalMs } = this.#options;
    this.#sendTimer = clock.schedule(intervalMs / 2, () => {
      this.#scheduleSend();
      if (this.#isFirst || !this.#hasSent) this.#options.send();
      this.#isFirst = false;
      // A heartbeat of our own is no traffic in whose place the next one could stay out.
      this.#hasSent = false;
    });
  }

  #scheduleReceive(): void {
    const { clock, intervalMs } = this.#options;
    this.#receiveTimer = clock.schedule(intervalMs, () => {
      this.#scheduleReceive();
      this.#silentIntervals = this.#hasReceived ? 0 : this.#silentIntervals + 1;
      this.#hasReceived = false;
      if (this.#silentIntervals > FORGIVEN_INTERVALS) this.#options.onSilence();
    });
  }
}
