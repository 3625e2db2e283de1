/** Work that keeps a core busy. @module */

/**
 * Computes until the time is over.
 *
 * @param ms How long, in milliseconds.
 * @returns How often it went round.
 */
export function computeFor(ms: number): number {
  const end = performance.now() + ms;
  let rounds = 0;
  while (performance.now() < end) rounds++;
  return rounds;
}
