/** Bounds how often a request is tried whose worker dies of it. @module */

import type { Delivery } from "./delivery.ts";
import type { IncomingRequest } from "./envelope.ts";
import { RecentMap } from "./recent_map.ts";

/**
 * Counts failed deliveries. A quorum queue counts for all servers; of other queues the broker only
 * tells that a delivery was not the first, so the count of this server is added.
 */
export class DeliveryLimit {
  readonly #maxDeliveries: number;
  /** Failures by correlation id. */
  readonly #failures = new RecentMap<number>();

  constructor(maxDeliveries: number) {
    this.#maxDeliveries = maxDeliveries;
  }

  /** Tells whether the request may be delivered again after this failure. */
  permitsAnother(request: IncomingRequest, { redeliveries }: Delivery): boolean {
    const { correlationId, idempotent } = request;
    if (!idempotent) return false;
    // Without an id there is nothing to count by: one more try, if this was the first.
    if (correlationId === undefined) return this.#maxDeliveries > 1 && redeliveries === 0;
    const deliveries = Math.max(redeliveries, this.#failures.get(correlationId) ?? 0) + 1;
    this.#failures.delete(correlationId);
    if (deliveries >= this.#maxDeliveries) return false;
    this.#failures.set(correlationId, deliveries);
    return true;
  }
}
