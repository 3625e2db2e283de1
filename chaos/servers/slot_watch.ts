/** Tells the owner of this process how long the pool has too few workers. @module */

import type { PoolEvent } from "../../workers/mod.ts";
import { tell } from "./owner.ts";

/** Follows the slots of a pool from the loss of a worker to the start of the next. */
export class SlotWatch {
  readonly #isolation: "thread" | "process";
  readonly #lost = new Map<number, { readonly at: number; readonly waitMs: number }>();

  constructor(isolation: "thread" | "process") {
    this.#isolation = isolation;
  }

  readonly observe = (event: PoolEvent): void => {
    if (event.type === "crashed") this.#lose(event, event.restartInMs);
    else if (event.type === "abandoned") this.#lose(event, 0);
    else if (event.type === "ready") this.#find(event.slot);
    else if (event.type === "zombie-ended") tell({ type: "zombie-ended" });
  };

  #lose({ slot, type }: { readonly slot: number; readonly type: string }, waitMs: number): void {
    this.#lost.set(slot, { at: performance.now(), waitMs });
    // A process is killed; a thread goes on, until it has come to an end by itself.
    const isZombie = type === "abandoned" && this.#isolation === "thread";
    tell({ type: "worker-lost", isZombie });
  }

  #find(slot: number): void {
    const lost = this.#lost.get(slot);
    if (lost === undefined) return;
    this.#lost.delete(slot);
    tell({ type: "worker-replaced", ms: performance.now() - lost.at, waitMs: lost.waitMs });
  }
}
