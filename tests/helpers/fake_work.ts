/** What runs for a request in tests that run nothing. @module */

import { RpcError } from "../../errors.ts";
import type { RunningWork } from "../../internal/serving/running_work.ts";

/** Makes work that goes on for ever, but for some parts. */
export function fakeWork(parts: Partial<RunningWork> = {}): RunningWork {
  return {
    endsAt: Infinity,
    overrun: () => new RpcError("timeout", "Cannot go on as it takes too long"),
    abandon: () => true,
    place: () => ({ state: "running" }),
    leave() {},
    grant() {},
    ...parts,
  };
}
