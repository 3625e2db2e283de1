/**
 * Chooses what runs the workers of a pool.
 *
 * @module
 */

import type { HostStarter } from "./host.ts";
import { startProcessHost } from "./process_host.ts";
import { processCommand, type ProcessOptions } from "./process_options.ts";
import { Reaper } from "./reaper.ts";
import { startThreadHost } from "./thread_host.ts";

/**
 * Never called. Workers load these files by their URLs, which Deno does not follow: imports put them
 * where the package is put, into caches, `vendor` folders and compiled programs.
 */
export const workerEntries = (): Promise<unknown>[] => [
  import("../worker/thread_main.ts"),
  import("../worker/process_main.ts"),
];

/** What runs the workers of one pool. */
export interface HostOptions {
  /** What keeps tasks apart. */
  readonly isolation: "thread" | "process";
  /** Options of processes. */
  readonly process: ProcessOptions;
  /** The most heap that V8 may use in a process, in MiB; absent is no limit. */
  readonly maxWorkerMemoryMb: number | undefined;
}

/**
 * Prepares to start workers.
 *
 * @param url The absolute URL of the worker file.
 * @param options What runs them.
 * @returns What starts them.
 * @throws {TypeError} If this is not Deno.
 */
export function hostStarter(url: string, options: HostOptions): HostStarter {
  if (!("Deno" in globalThis)) {
    throw new TypeError("Cannot start a worker as pools need Deno: this is another runtime");
  }
  const { isolation, process, maxWorkerMemoryMb } = options;
  switch (isolation) {
    case "thread":
      return {
        url,
        start: (listener) => startThreadHost(url, listener),
        close: () => Promise.resolve(),
      };
    case "process": {
      const reaper = new Reaper();
      const command = processCommand(url, process, maxWorkerMemoryMb);
      return {
        url,
        start: (listener) => startProcessHost({ command, reaper }, listener),
        close: () => reaper.close(),
      };
    }
    default:
      return unknownIsolation(isolation);
  }
}

function unknownIsolation(isolation: never): never {
  throw new TypeError(`Cannot start a worker as its isolation is unknown: it is "${isolation}"`);
}
