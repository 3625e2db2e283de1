/** How much a row may do. @module */

/** Counts of a loop. */
export interface Rounds {
  /** The scorecard's count, which is done if time allows. */
  readonly full: number;
  /** The least, which is done in any case, and in a short run nothing else. */
  readonly short: number;
}

/** The time and the counts of one row. */
export class Budget {
  /** Whether only the least is asked for, as in CI. */
  readonly isShort: boolean;
  readonly #ms: number;
  readonly #start = performance.now();

  constructor({ ms, isShort }: { readonly ms: number; readonly isShort: boolean }) {
    this.#ms = ms;
    this.isShort = isShort;
  }

  /** How much time is left, in milliseconds. */
  get leftMs(): number {
    return Math.max(0, this.#start + this.#ms - performance.now());
  }

  /** Counts from 0, for as long as there is time: at least `short` rounds, at most `full`. */
  *rounds({ full, short }: Rounds): Generator<number, void> {
    for (let round = 0; round < full; round++) {
      const isEnough = round >= short;
      if (isEnough && (this.isShort || this.leftMs === 0)) return;
      yield round;
    }
  }

  /** A count that follows the time: `full` in ten minutes or more, less in less. */
  count({ full, short }: Rounds, fullMs: number): number {
    if (this.isShort) return short;
    return Math.max(short, Math.round(full * Math.min(1, this.#ms / fullMs)));
  }

  /**
   * A limit of time in milliseconds. A short run shares its cores with other tests and has few
   * samples: there it only tells what is late from what hangs.
   */
  timeLimit(ms: number): number {
    return this.isShort ? Math.max(ms * 4, Math.min(ms * 15, 15_000)) : ms;
  }
}
