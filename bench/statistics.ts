/** The few statistics that the benchmarks print. @module */

/**
 * Finds a quantile.
 *
 * @param values Numbers in any order, at least one.
 * @param share Between 0 and 1; 0.5 is the median.
 * @returns The smallest value that is not below that share of all values.
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[index] ?? NaN;
}

/** The middle of the values. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
