/** Times of many calls, to within 1 %, in constant memory. @module */

/** Classes per doubling: each is wider than the one before by 1.1 %. */
const PER_DOUBLING = 64;
/** The end of the first class, in milliseconds. */
const FIRST_MS = 0.001;
/** Up to about 18 minutes; longer times count as that. */
const CLASSES = 30 * PER_DOUBLING;

/** A class of times, and how many were in it. */
export interface LatencyClass {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** Counts times. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(CLASSES);
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  /** Adds a time, in milliseconds. */
  add(ms: number): void {
    const index = Math.ceil(Math.log2(ms / FIRST_MS) * PER_DOUBLING);
    const inRange = Math.min(Math.max(index, 0) || 0, CLASSES - 1);
    this.#counts[inRange] = (this.#counts[inRange] ?? 0) + 1;
    this.#count++;
    this.#sum += ms;
    this.#min = Math.min(this.#min, ms);
    this.#max = Math.max(this.#max, ms);
  }

  /** How many times there are. */
  get count(): number {
    return this.#count;
  }

  /** Their mean, in milliseconds; 0 of none. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** The longest, in milliseconds. */
  get max(): number {
    return this.#max;
  }

  /** The time that such a share of them did not exceed, in milliseconds. */
  quantile(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (const [index, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= wanted) return Math.max(this.#min, Math.min(endOf(index), this.#max));
    }
    return this.#max;
  }

  /** The times in so many classes per doubling, from the shortest to the longest. */
  classes(perDoubling: number): LatencyClass[] {
    const width = PER_DOUBLING / perDoubling;
    const found: LatencyClass[] = [];
    for (let from = 0; from < CLASSES; from += width) {
      const count = this.#counts.subarray(from, from + width).reduce((sum, each) => sum + each, 0);
      found.push({ fromMs: endOf(from - 1), toMs: endOf(from + width - 1), count });
    }
    const first = found.findIndex(({ count }) => count > 0);
    const last = found.findLastIndex(({ count }) => count > 0);
    return first < 0 ? [] : found.slice(first, last + 1);
  }
}

function endOf(index: number): number {
  return FIRST_MS * 2 ** (index / PER_DOUBLING);
}
