/**
 * Chooses what runs the workers of a pool.
 *
 * @module
 */

import type { HostStarter } from "./host.ts";
import type { PoolSettings } from "../pool/pool_options.ts";
import { startProcess } from "./process_host.ts";
import { denoArguments } from "./process_options.ts";
import { Reaper } from "./reaper.ts";
import { startThread } from "./thread_host.ts";

/**
 * Prepares to start workers.
 *
 * @param url The absolute URL of the worker file.
 * @param settings The kind of isolation and its options.
 * @returns What starts them.
 */
export function hostStarter(url: string, settings: PoolSettings): HostStarter {
  const { isolation, process, maxWorkerMemoryMb } = settings;
  switch (isolation) {
    case "thread":
      return {
        start: (listener) => startThread(url, listener),
        close: () => Promise.resolve(),
      };
    case "process": {
      const reaper = new Reaper();
      const args = denoArguments(url, process, maxWorkerMemoryMb);
      return {
        start: (listener) => startProcess(args, reaper, listener),
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
