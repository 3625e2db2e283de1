/** Ways to call, and how long they take. @module */

/** Something that calls a procedure. */
export type Caller = (input: number) => Promise<unknown>;

/**
 * Calls one after the other.
 *
 * @returns The duration of each call, in milliseconds.
 */
export async function callInTurn(call: Caller, count: number): Promise<number[]> {
  const durations: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await call(i);
    durations.push(performance.now() - start);
  }
  return durations;
}

/**
 * Keeps so many calls in flight.
 *
 * @returns Calls per second.
 */
export async function callsPerSecond(
  call: Caller,
  { count, inFlight }: { readonly count: number; readonly inFlight: number },
): Promise<number> {
  let next = 0;
  const lane = async () => {
    while (next < count) await call(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return count / (performance.now() - start) * 1_000;
}
