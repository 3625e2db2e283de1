/** How long nothing got through. @module */

/**
 * Measures the outage after each fault: the longest gap between two successes that ends after it.
 * Where the next fault comes first, the rest of the gap is the next fault's, with all before it.
 *
 * @param successes When calls resolved, in order.
 * @param faults When faults were injected, in order, on the same clock.
 * @returns A duration in milliseconds for each fault; `Infinity` if nothing got through after it.
 */
export function outagesAfter(successes: readonly number[], faults: readonly number[]): number[] {
  return faults.map((fault, index) => {
    const until = faults[index + 1] ?? Infinity;
    let last = successes.findLastIndex((at) => at <= fault);
    let longest = 0;
    for (let next = last + 1; next < successes.length; last = next++) {
      const [from = fault, to = fault] = [successes[last], successes[next]];
      if (from >= until) break;
      longest = Math.max(longest, Math.min(to, until) - from);
    }
    return last >= successes.length - 1 && longest === 0 ? Infinity : longest;
  });
}
