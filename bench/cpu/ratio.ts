/** How one series of measurements compares with another. @module */

import { median, quantile } from "../../tools/measuring/quantile.ts";
import { Random } from "../../tools/raw/random.ts";

/** A ratio and how sure it is. */
export interface Ratio {
  /** The median of the rounds' ratios. */
  readonly ratio: number;
  /** Bounds of the 95 % interval of that median. */
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 10_000;
const SEED = 1;

/**
 * Compares what was measured in the same rounds, by bootstrap: the rounds are drawn again, with
 * replacement, so often that the spread of their medians shows how far chance alone would go.
 *
 * @param values One figure per round.
 * @param others What to divide by: those of the same rounds.
 */
export function ratioOf(values: readonly number[], others: readonly number[]): Ratio {
  const ratios = values.map((value, round) => value / (others[round] ?? NaN));
  const random = new Random(SEED);
  const medians = Array.from({ length: RESAMPLES }, () => {
    return median(ratios.map(() => random.pick(ratios)));
  });
  return {
    ratio: median(ratios),
    low: quantile(medians, 0.025),
    high: quantile(medians, 0.975),
  };
}
