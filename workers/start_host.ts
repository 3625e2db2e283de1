/**
 * Chooses what runs the workers of a pool.
 *
 * @module
 */

import type { StartHost } from "./host.ts";
import type { PoolSettings } from "./pool_options.ts";
import { startProcess } from "./process_host.ts";
import { denoArguments } from "./process_options.ts";
import { Reaper } from "./reaper.ts";
import { startThread } from "./thread_host.ts";

/**
 * Prepares to start workers.
 *
 * @param url The absolute URL of the worker file.
 * @param settings The kind of isolation and its options.
 * @returns What starts one worker.
 */
export function hostStarter(url: string, settings: PoolSettings): StartHost {
  const { isolation, process, maxWorkerMemoryMb } = settings;
  switch (isolation) {
    case "thread":
      return (listener) => startThread(url, listener);
    case "process": {
      const reaper = new Reaper();
      const args = denoArguments(url, process, maxWorkerMemoryMb);
      return (listener) => startProcess(args, reaper, listener);
    }
    default:
      return unknownIsolation(isolation);
  }
}

function unknownIsolation(isolation: never): never {
  throw new TypeError(
    `Cannot open a pool as 'isolation' must be "thread" or "process": ` +
      `current value is "${isolation}"`,
  );
}
