/** Durations in buckets, by labels. @module */

import { type Labels, type Sample, writeNumber } from "./text_format.ts";

/**
 * The ends of the buckets, in seconds. Source: OpenTelemetry's semantic conventions for RPC; the first
 * three are ours, as calls take half a millisecond.
 */
export const DURATION_BOUNDS: readonly number[] = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075],
  ...[0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
];

/** The last one takes what is left. */
const BOUNDS: readonly number[] = [...DURATION_BOUNDS, Infinity];

interface Series {
  readonly labels: Labels;
  /** How many durations fell into each bucket, and into none before it. */
  readonly counts: number[];
  sum: number;
}

/** A histogram for each set of labels. Whoever gives the labels bounds their number. */
export class DurationHistogram {
  readonly #series = new Map<string, Series>();

  /** Adds a duration, in milliseconds. */
  add(labels: Labels, ms: number): void {
    const key = JSON.stringify(Object.values(labels));
    let series = this.#series.get(key);
    if (series === undefined) {
      this.#series.set(key, series = { labels, counts: BOUNDS.map(() => 0), sum: 0 });
    }
    const seconds = ms / 1_000;
    const index = BOUNDS.findIndex((bound) => seconds <= bound);
    series.counts[index] = (series.counts[index] ?? 0) + 1;
    series.sum += seconds;
  }

  /** Buckets, sum and count of each. */
  samples(): Sample[] {
    return [...this.#series.values()].flatMap(({ labels, counts, sum }) => {
      let count = 0;
      const buckets = BOUNDS.map((bound, index): Sample => {
        count += counts[index] ?? 0;
        const le = writeNumber(bound);
        return { suffix: "_bucket", labels: { ...labels, le }, value: count };
      });
      const total: Sample = { suffix: "_sum", labels, value: sum };
      return [...buckets, total, { suffix: "_count", labels, value: count }];
    });
  }
}
