/** Which requests a server does not even start. @module */

import { RpcError } from "../../errors.ts";
import { isDirectAddress } from "../protocol/direct_address.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { DeliveryLimit } from "./delivery_limit.ts";
import {
  DURABLE_REPLY_PREFIX,
  type IncomingRequest,
  SERVER_NAMED_PREFIX,
} from "../protocol/envelope.ts";
import { GivenUp } from "./given_up.ts";
import { parkingQueueOf } from "../protocol/parked_message.ts";
import { isShortText } from "../short_text.ts";

/** How the reply queues of clients begin, but for direct reply-to, which has no queues. */
const REPLY_PREFIXES = [SERVER_NAMED_PREFIX, DURABLE_REPLY_PREFIX];

/** Options of {@linkcode Admission}. */
export interface AdmissionOptions {
  readonly queue: string;
  /** Reply queues beside those of our clients. */
  readonly replyQueues: RegExp | undefined;
  readonly deliveryLimit: DeliveryLimit;
}

/**
 * Refuses what cannot be read, what was given back too often, and what would have its reply sent
 * to a queue that is not for replies: who may write to a request queue must not reach others
 * through its server.
 */
export class Admission {
  readonly #ownQueues: readonly string[];
  readonly #replyQueues: RegExp | undefined;
  readonly #deliveryLimit: DeliveryLimit;

  constructor({ queue, replyQueues, deliveryLimit }: AdmissionOptions) {
    this.#ownQueues = [queue, parkingQueueOf(queue)];
    // Without the flags that make a pattern remember where it stopped.
    this.#replyQueues = replyQueues &&
      new RegExp(replyQueues.source, replyQueues.flags.replace(/[gy]/g, ""));
    this.#deliveryLimit = deliveryLimit;
  }

  /** Tells why a request is not to be run, if that is so. */
  check({ replyTo }: IncomingRequest, delivery: AmqpDelivery): GivenUp | undefined {
    const deliveries = delivery.redeliveries + 1;
    if (replyTo !== undefined && !this.#isReplyQueue(replyTo)) {
      return new GivenUp(refusedReplyTo(replyTo), { deliveries, mayReply: false });
    }
    const { malformed } = delivery.properties;
    if (malformed !== undefined) return new GivenUp(undecodable(malformed), { deliveries });
    return this.#deliveryLimit.check(delivery);
  }

  #isReplyQueue(replyTo: string): boolean {
    if (this.#ownQueues.includes(replyTo) || !isShortText(replyTo)) return false;
    const isOurs = REPLY_PREFIXES.some((prefix) =>
      replyTo.startsWith(prefix) && replyTo.length > prefix.length
    );
    return isOurs || isDirectAddress(replyTo) || (this.#replyQueues?.test(replyTo) ?? false);
  }
}

function refusedReplyTo(replyTo: string): RpcError {
  return new RpcError(
    "reply-to-refused",
    `Cannot run the request as its reply would go to a queue that is not for replies: ` +
      `${JSON.stringify(replyTo)}: allow it with the server's "replyQueues" if it is`,
  );
}

function undecodable(reason: string): RpcError {
  return new RpcError("undecodable", `Cannot run the request as its headers are broken: ${reason}`);
}
