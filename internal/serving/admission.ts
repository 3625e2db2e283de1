/** Which requests a server does not run, or does not run again. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpProperties } from "../broker/amqp.ts";
import { countRejections } from "../protocol/dead_letter.ts";
import { isDirectReply, isReplyAddress } from "../protocol/reply_address.ts";
import { parkingQueueOf } from "../protocol/parked_message.ts";
import { RecentMap } from "../recent_map.ts";
import { isShortText, toPrintable } from "../text.ts";
import type { ActiveRequest } from "./active_requests.ts";

/**
 * From so many redeliveries on, a request is not even started: it may be what its servers die of.
 * Just before RabbitMQ 4 takes it out of a quorum queue, unless configured.
 */
const MAX_REDELIVERIES = 20;

/** Options of {@linkcode Admission}. */
export interface AdmissionOptions {
  readonly queue: string;
  /** Reply queues beside those of our clients. */
  readonly replyQueues: RegExp | undefined;
  /** How often a request is tried whose worker dies of it. */
  readonly maxDeliveries: number;
}

/** The outcome of a refused request whose caller is not told. */
export type UntoldOutcome = "reply-to-refused" | "unpublished";

/** Why no server will try a request again: it is parked. */
export class Refusal {
  readonly error: RpcError;
  /** How often the request was delivered. */
  readonly deliveries: number;
  /** Present if the caller must not be told, or cannot. */
  readonly untold: UntoldOutcome | undefined;

  constructor(error: unknown, deliveries: number, untold?: UntoldOutcome) {
    this.error = error instanceof RpcError ? error : new RpcError("handler-error", String(error));
    this.deliveries = deliveries;
    this.untold = untold;
  }
}

/**
 * Refuses what cannot be read, what was delivered too often, and what would have its reply sent
 * to a queue that is not for replies: who may write to a request queue must not reach others
 * through its server.
 */
export class Admission {
  readonly #ownQueues: readonly [queue: string, parkingQueue: string];
  readonly #replyQueues: RegExp | undefined;
  readonly #maxDeliveries: number;
  /**
   * Failures by correlation id. A quorum queue counts deliveries for all servers; of other queues the
   * broker only tells that a delivery was not the first, so the count of this server is added.
   * What a quorum queue delivers to a consumer that is just being cancelled comes back unrun and is
   * counted: of a request that may kill servers, rather one try too few than one too many.
   */
  readonly #failures = new RecentMap<number>();

  constructor({ queue, replyQueues, maxDeliveries }: AdmissionOptions) {
    this.#ownQueues = [queue, parkingQueueOf(queue)];
    // Without the flags that make a pattern remember where it stopped.
    this.#replyQueues = replyQueues &&
      new RegExp(replyQueues.source, replyQueues.flags.replace(/[gy]/g, ""));
    this.#maxDeliveries = maxDeliveries;
  }

  /** Whether a batch that comes for the first time is to be run, as far as that is the same for all of it. */
  admits({ replyTo, malformed }: AmqpProperties): boolean {
    return malformed === undefined && replyTo !== undefined && this.#isReplyQueue(replyTo);
  }

  /** Tells why a request is not to be run, if that is so. */
  check({ request: { replyTo }, delivery }: ActiveRequest): Refusal | undefined {
    const { malformed } = delivery.properties;
    const redeliveries = delivery.redeliveries +
      countRejections(delivery.properties, this.#ownQueues[0]);
    const deliveries = redeliveries + 1;
    if (replyTo !== undefined && !this.#isReplyQueue(replyTo)) {
      return new Refusal(refusedReplyTo(replyTo), deliveries, "reply-to-refused");
    }
    if (malformed !== undefined) return new Refusal(undecodable(malformed), deliveries);
    if (redeliveries < MAX_REDELIVERIES) return undefined;
    return new Refusal(deliveredTooOften(redeliveries), deliveries);
  }

  /** Tells why a request is not to be run again after its worker died of it, if that is so. */
  onCrash(error: unknown, { request, delivery }: ActiveRequest): Refusal | undefined {
    const { correlationId, idempotent } = request;
    const { redeliveries } = delivery;
    const known = correlationId === undefined ? 0 : this.#failures.get(correlationId) ?? 0;
    const deliveries = Math.max(redeliveries, known) + 1;
    if (correlationId !== undefined) this.#failures.delete(correlationId);
    // Without an id there is nothing to count by: one more try, if this was the first.
    const isLast = deliveries >= this.#maxDeliveries ||
      (correlationId === undefined && redeliveries > 0);
    if (isLast || !idempotent) return new Refusal(error, deliveries);
    if (correlationId !== undefined) this.#failures.set(correlationId, deliveries);
    return undefined;
  }

  #isReplyQueue(replyTo: string): boolean {
    if (this.#ownQueues.includes(replyTo) || !isShortText(replyTo)) return false;
    if (isReplyAddress(replyTo)) return true;
    // No pattern lets in what the broker takes for an address of its own and cannot read.
    return !isDirectReply(replyTo) && (this.#replyQueues?.test(replyTo) ?? false);
  }
}

function refusedReplyTo(replyTo: string): RpcError {
  return new RpcError(
    "reply-to-refused",
    `Cannot run the request as its reply would go to a queue that is not for replies: ` +
      `"${toPrintable(replyTo)}": allow it with the server's "replyQueues" if it is`,
  );
}

function undecodable(reason: string): RpcError {
  return new RpcError(
    "undecodable",
    `Cannot run the request as its headers are broken: ${toPrintable(reason)}`,
  );
}

function deliveredTooOften(redeliveries: number): RpcError {
  return new RpcError(
    "delivery-limit",
    `Cannot run the request as it was given back too often: ${redeliveries} times`,
  );
}

/**
 * How a request ends whose output nobody wants any more.
 *
 * @throws {RpcError} Why it does not end here: another server runs it anew.
 */
export function outcomeOfDropped(
  { dropReason }: ActiveRequest,
): "cancelled" | "orphaned" | "expired" | undefined {
  switch (dropReason?.code) {
    case undefined:
      return undefined;
    case "cancelled":
      return "cancelled";
    case "orphaned":
      return "orphaned";
    case "expired":
      return "expired";
    default:
      throw dropReason;
  }
}
