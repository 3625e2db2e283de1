/** Work that waits until a test lets it go on. @module */

/** A handler that waits at a gate, and how often it was run. */
export interface GatedWork {
  /** `wait` gives its input back once the gate is open. */
  readonly handlers: { readonly wait: (n: number) => Promise<number> };
  /** How often it was run. */
  readonly runs: number;
  /** Opens the gate, for good. */
  open(): void;
}

/** Makes work whose gate is shut. */
export function gatedWork(): GatedWork {
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  return {
    handlers: {
      async wait(n: number) {
        runs++;
        await gate.promise;
        return n;
      },
    },
    get runs() {
      return runs;
    },
    open: () => gate.resolve(),
  };
}
