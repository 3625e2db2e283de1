/** What a process holds. @module */

/** Memory and other resources of a process. */
export interface Memory {
  /** Resident memory, in bytes. */
  readonly rss: number;
  /** What is alive on JavaScript's heap, in bytes. */
  readonly heapUsed: number;
  /** Open files and sockets. */
  readonly files: number;
}

/** Counts what this process holds, after collecting garbage if it may. */
export function memoryOf(): Memory {
  // Only there with --v8-flags=--expose-gc.
  const { gc } = globalThis as { readonly gc?: () => void };
  gc?.();
  const { rss, heapUsed } = Deno.memoryUsage();
  return { rss, heapUsed, files: [...Deno.readDirSync("/proc/self/fd")].length };
}
