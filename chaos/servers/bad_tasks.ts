/** Procedures that are wrong in every way that a task can be. @module */

import process from "node:process";

const HUGE_BYTES = 200 * 2 ** 20;

/**
 * The bad procedures, for workers only. Those that end their worker do nothing with 0, so that a pool
 * takes them for short ones and has others wait behind them.
 */
export const badTasks = {
  throws: (): never => {
    throw new Error("thrown on purpose");
  },
  rejects: (): Promise<never> => Promise.reject(new Error("rejected on purpose")),
  overflowsStack: (): number => dive(0),
  returnsFunction: (): () => void => () => {},
  returnsHuge: (): Uint8Array<ArrayBuffer> => new Uint8Array(HUGE_BYTES),
  /** A thread that never ended would take a core from the rows to come. */
  loops: (ms: number): void => {
    const end = performance.now() + ms;
    while (performance.now() < end);
  },
  exits: (input: number): void => input === 0 ? undefined : Deno.exit(3),
  exitsAsNode: (input: number): void => input === 0 ? undefined : process.exit(4),
  closes: async (input: number): Promise<void> => {
    if (input === 0) return;
    self.close();
    await new Promise(() => {});
  },
  runsOutOfMemory: (input: number): void => {
    if (input === 0) return;
    const hoard: number[][] = [];
    for (;;) hoard.push(new Array(100_000).fill(1.5));
  },
};

/** The name of a bad procedure. */
export type BadTask = keyof typeof badTasks;

function dive(depth: number): number {
  return 1 + dive(depth + 1);
}
