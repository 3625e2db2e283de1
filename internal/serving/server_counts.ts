/** Counts how requests end. @module */

import type { RpcServerEvent } from "../../options/events.ts";
import type { RpcServerStats } from "../../options/server_options.ts";

/** How a request ended. */
export type Outcome = Extract<RpcServerEvent, { type: "served" }>["outcome"];

/** The counts of one server. */
export class ServerCounts {
  /** Requests that went to the parking queue. */
  parked = 0;
  readonly #outcomes: Record<Outcome, number> = {
    output: 0,
    error: 0,
    notified: 0,
    orphaned: 0,
    cancelled: 0,
    expired: 0,
    crashed: 0,
    refused: 0,
  };

  /** Counts the end of a request. */
  add(outcome: Outcome): void {
    this.#outcomes[outcome]++;
  }

  /** Tells the counts, with what others count. */
  stats(others: Pick<RpcServerStats, "active" | "reused">): RpcServerStats {
    const { output, notified, error, orphaned, cancelled, expired, crashed, refused } =
      this.#outcomes;
    return {
      succeeded: output + notified,
      failed: error,
      orphaned,
      expired,
      cancelled,
      crashed,
      refused,
      parked: this.parked,
      ...others,
    };
  }
}
