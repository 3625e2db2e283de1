/**
 * How far a stream is ahead of its reader.
 *
 * @module
 */

/** The credits of one stream, counted where its items pass. */
export class StreamCredits {
  #left: number;
  #pausedAt: number | undefined;
  #pastPausesMs = 0;

  /**
   * Makes the credits of a stream that has sent nothing.
   *
   * @param count How many items may be sent at first.
   */
  constructor(count: number) {
    this.#left = count;
    if (count <= 0) this.#pausedAt = performance.now();
  }

  /** How long the stream has been waiting for its reader, in milliseconds; 0 if it is not. */
  get pauseMs(): number {
    return this.#pausedAt === undefined ? 0 : performance.now() - this.#pausedAt;
  }

  /** All the time that the stream has waited for its reader, in milliseconds. */
  get allPausesMs(): number {
    return this.#pastPausesMs + this.pauseMs;
  }

  /** An item was sent. */
  spend(): void {
    if (--this.#left <= 0) this.#pausedAt ??= performance.now();
  }

  /** The reader allows so many items more. */
  grant(count: number): void {
    this.#left += count;
    if (this.#left <= 0 || this.#pausedAt === undefined) return;
    this.#pastPausesMs += performance.now() - this.#pausedAt;
    this.#pausedAt = undefined;
  }
}

/** A stream that waits for its reader keeps its place from others no longer than this. */
export const PAUSE_IN_NEED_MS = 5_000;

/** A stream waits no longer than this for its reader, though nobody needs its place. */
export const MAX_PAUSE_MS = 600_000;
