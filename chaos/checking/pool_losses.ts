/** What a server's pool has lost, and how soon it had it back. @module */

import type { Server } from "../processes/server.ts";

/** Counts what a server tells of its workers, from now on. */
export class PoolLosses {
  /** How long the pool had too few workers, in milliseconds, where the next was started at once. */
  readonly atOnceMs: number[] = [];
  /** The same where a worker had died several times without a task done: there is a pause. */
  readonly pausedMs: number[] = [];
  #lost = 0;
  #zombies = 0;
  #ended = 0;

  private constructor(server: Server) {
    server.onMessage = ({ type, ms, waitMs, isZombie }) => {
      if (type === "worker-lost") this.#lost++;
      if (type === "worker-lost" && isZombie === true) this.#zombies++;
      if (type === "worker-replaced") {
        (waitMs === 0 ? this.atOnceMs : this.pausedMs).push(Number(ms));
      }
      if (type === "zombie-ended") this.#ended++;
    };
  }

  /** Begins to count. */
  static of(server: Server): PoolLosses {
    return new PoolLosses(server);
  }

  /** Workers that died or were given up. */
  get lost(): number {
    return this.#lost;
  }

  /** Workers that were lost and have no successor. */
  get missing(): number {
    return this.#lost - this.atOnceMs.length - this.pausedMs.length;
  }

  /** Threads that were given up and go on. */
  get zombies(): number {
    return this.#zombies - this.#ended;
  }
}
