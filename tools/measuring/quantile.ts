/** The statistics of durations and counts, for whatever measures here. @module */

/**
 * Finds a quantile.
 *
 * @param values Numbers in any order.
 * @param share Between 0 and 1; 0.5 is the median.
 * @returns The smallest value that is not below that share of all values; `NaN` of none.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** The middle of the values; `NaN` of none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
