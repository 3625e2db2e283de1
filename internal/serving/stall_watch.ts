/** Notices that nothing moves in a server that has all it may have in hand. @module */

import type { RpcServerEvent } from "../../options/events.ts";

/** What a {@linkcode StallWatch} asks and tells. */
export interface StallWatchOptions {
  /** Whether all places of the prefetch are taken. */
  readonly isFull: () => boolean;
  /** The requests in hand. */
  readonly active: { readonly size: number; readonly oldestMs: number };
  /** Told once for each time that nothing moves. */
  readonly emit: (event: RpcServerEvent) => void;
  /**
   * How long nothing must have ended, in milliseconds.
   *
   * @default {60_000}
   */
  readonly quietMs?: number;
}

/**
 * Watches a server from the moment when all its places are taken. What ends makes room for the next
 * request, with which the watch begins anew: so a stall is told of once.
 */
export class StallWatch {
  readonly #options: Required<StallWatchOptions>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** How many requests have ended: now, and when the watch began. */
  #ended = 0;
  #before = 0;

  constructor(options: StallWatchOptions) {
    this.#options = { quietMs: 60_000, ...options };
  }

  /** A request has come. */
  onStart(): void {
    if (this.#timer !== undefined || !this.#options.isFull()) return;
    this.#before = this.#ended;
    this.#timer = setTimeout(() => this.#look(), this.#options.quietMs);
  }

  /** A request has ended, in whatever way. */
  onEnd(): void {
    this.#ended++;
  }

  /** Ends the watch. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#ended !== this.#before) return this.onStart();
    const { active, emit } = this.#options;
    emit({ type: "stalled", active: active.size, oldestMs: active.oldestMs });
  }
}
