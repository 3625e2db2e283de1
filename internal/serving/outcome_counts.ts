/** How requests end. @module */

import type { RpcServerEvent } from "../../options/events.ts";
import type { RpcServerStats } from "../../options/server_options.ts";
import type { IncomingRequest } from "../protocol/envelope.ts";
import type { ActiveRequest } from "./active_requests.ts";

/** A request that was settled. */
export interface SettledRequest {
  readonly active: Pick<ActiveRequest, "startedAt" | "runMs"> & {
    readonly request: Pick<IncomingRequest, "correlationId">;
  };
  readonly procedure: string | undefined;
  readonly outcome: Outcome;
  /** How many such requests of one batch; absent for one. */
  readonly count?: number;
}

/** How a request ended. */
export type Outcome = Extract<RpcServerEvent, { type: "served" }>["outcome"];

/** Counts the requests of a server that were settled. */
export class OutcomeCounts {
  /** Requests that were parked. */
  parked = 0;
  readonly #onSettled: ((settled: SettledRequest) => void) | undefined;
  readonly #outcomes: Record<Outcome, number> = {
    "output": 0,
    "error": 0,
    "notified": 0,
    "orphaned": 0,
    "cancelled": 0,
    "expired": 0,
    "crashed": 0,
    "unpublished": 0,
    "reply-to-refused": 0,
  };

  /** @param onSettled Told of each of them, too. */
  constructor(onSettled: ((settled: SettledRequest) => void) | undefined) {
    this.#onSettled = onSettled;
  }

  add(settled: SettledRequest): void {
    this.#outcomes[settled.outcome] += settled.count ?? 1;
    this.#onSettled?.(settled);
  }

  /** Puts them together with what is counted elsewhere. */
  stats(others: Pick<RpcServerStats, "active" | "reused">): RpcServerStats {
    const { output, notified, ...outcomes } = this.#outcomes;
    return {
      ...others,
      succeeded: output + notified,
      failed: outcomes.error,
      orphaned: outcomes.orphaned,
      expired: outcomes.expired,
      cancelled: outcomes.cancelled,
      crashed: outcomes.crashed,
      unpublished: outcomes.unpublished,
      replyToRefused: outcomes["reply-to-refused"],
      parked: this.parked,
    };
  }
}
