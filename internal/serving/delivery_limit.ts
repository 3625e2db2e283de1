/** Bounds how often a request is tried whose worker dies of it. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { IncomingRequest } from "../protocol/envelope.ts";
import { GivenUp } from "./given_up.ts";
import { RecentMap } from "../recent_map.ts";

/**
 * From so many redeliveries on, a request is not even started: it may be what its servers die of.
 * Just before RabbitMQ 4 takes it out of a quorum queue, unless configured.
 */
const MAX_REDELIVERIES = 20;

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

  /** Gives a request up that was redelivered too often, whatever became of its servers. */
  check({ redeliveries }: AmqpDelivery): GivenUp | undefined {
    if (redeliveries < MAX_REDELIVERIES) return undefined;
    return new GivenUp(
      new RpcError(
        "delivery-limit",
        `Cannot run the request as it was given back too often: ${redeliveries} times`,
      ),
      { deliveries: redeliveries + 1 },
    );
  }

  /** Gives a request up after a failure, unless it may be delivered again. */
  onFailure(
    error: unknown,
    request: IncomingRequest,
    { redeliveries }: AmqpDelivery,
  ): GivenUp | undefined {
    const { correlationId, idempotent } = request;
    const known = correlationId === undefined ? 0 : this.#failures.get(correlationId) ?? 0;
    const deliveries = Math.max(redeliveries, known) + 1;
    if (correlationId !== undefined) this.#failures.delete(correlationId);
    // Without an id there is nothing to count by: one more try, if this was the first.
    const isLast = deliveries >= this.#maxDeliveries ||
      (correlationId === undefined && redeliveries > 0);
    if (isLast || !idempotent) return new GivenUp(error, { deliveries });
    if (correlationId !== undefined) this.#failures.set(correlationId, deliveries);
    return undefined;
  }
}
