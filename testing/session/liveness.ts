/** How long a connection may stay silent, or take for a step. @module */

import type { Clock, ClockTimer } from "../clock.ts";
import { Heartbeats } from "./heartbeats.ts";

/** Ends connections whose peer is gone or too slow. */
export class Liveness {
  readonly #clock: Clock;
  readonly #onDead: () => void;
  #deadline: ClockTimer | undefined;
  #heartbeats: Heartbeats | undefined;

  /** Creates a watch that calls `onDead` when the peer is given up. */
  constructor(clock: Clock, onDead: () => void) {
    this.#clock = clock;
    this.#onDead = onDead;
  }

  /** Gives the peer some time for its next step, in place of what was given before. */
  expectWithin(ms: number): void {
    this.#deadline?.cancel();
    this.#deadline = this.#clock.schedule(ms, this.#onDead);
  }

  /** Takes the step as done and listens for heartbeats from now on. */
  startHeartbeats(intervalMs: number, send: () => void): void {
    this.#deadline?.cancel();
    this.#heartbeats = new Heartbeats({
      intervalMs,
      clock: this.#clock,
      send,
      onSilence: this.#onDead,
    });
    this.#heartbeats.start();
  }

  /** Says whether silence counts; it does not while the connection is not read. */
  listen(isListening: boolean): void {
    this.#heartbeats?.listen(isListening);
  }

  /** Notes that something was sent. */
  noteSent(): void {
    this.#heartbeats?.noteSent();
  }

  /** Notes that something was received. */
  noteReceived(): void {
    this.#heartbeats?.noteReceived();
  }

  /** Stops watching. */
  stop(): void {
    this.#deadline?.cancel();
    this.#heartbeats?.stop();
  }
}
