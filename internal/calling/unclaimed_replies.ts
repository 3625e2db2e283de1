/** Replies in a durable queue whose callback by name is not registered. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpDelivery, AmqpQueueOptions } from "../broker/amqp.ts";
import type { BodyLimits } from "../broker/body_limits.ts";
import { Parking, type ParkingOptions } from "../protocol/parking.ts";
import { DURABLE_REPLY_PREFIX } from "../protocol/reply_address.ts";
import { unknownCallback } from "./call_errors.ts";
import type { ClientSettings } from "./client_settings.ts";

/** What {@linkcode UnclaimedReplies} need of their client. */
export interface UnclaimedRepliesMeans {
  readonly limits: BodyLimits;
  /** Publishes until the broker has the message, or does not want it for too long. */
  readonly publish: ParkingOptions["replies"]["publish"];
  /** Declares a queue on whatever session there is. */
  readonly declareQueue: (name: string, options: AmqpQueueOptions) => Promise<void>;
}

/**
 * Most replies for unknown callbacks that are held while their parking queue does not take them:
 * half of what a durable reply queue delivers, so that other replies go on.
 */
const MAX_HELD = 128;

/** Parks or drops them, so that the others go on. */
export class UnclaimedReplies {
  readonly #onEvent: ClientSettings["onEvent"];
  /** Absent if they are dropped. */
  readonly #parking: Parking | undefined;
  /** How many of them the broker does not take for the time being. */
  #held = 0;

  constructor(
    { replyQueue, unknownCallbacks, declare, onEvent }: ClientSettings,
    { limits, publish, declareQueue }: UnclaimedRepliesMeans,
  ) {
    this.#onEvent = onEvent;
    if (typeof replyQueue !== "object" || unknownCallbacks !== "park") return;
    this.#parking = new Parking({
      queue: DURABLE_REPLY_PREFIX + replyQueue.name,
      durability: "replicated",
      limits,
      replies: { publish },
      declare: declare ? declareQueue : undefined,
    });
  }

  /**
   * Settles a reply whose callback by name is not registered: it is parked or dropped, and the
   * others go on. Never rejects.
   */
  async leave(name: string, reply: AmqpDelivery): Promise<void> {
    const { correlationId = "" } = reply.properties;
    const event = { type: "callback-unknown", name, correlationId } as const;
    const onEvent = this.#onEvent;
    let [isHeld, isGivenUp] = [false, false];
    try {
      const parkedId = await this.#parking?.park(reply, unknownCallback(name, reply), () => {
        isGivenUp = this.#held >= MAX_HELD;
        isHeld = !isGivenUp;
        if (isHeld) this.#held++;
        return isHeld;
      });
      reply.ack();
      onEvent({ ...event, parkedId });
    } catch (error) {
      const isPassing = error instanceof RpcError && (error.retryable || error.code === "closed");
      // With its channel, if that is gone, it is back in its queue already.
      if (isPassing && !isGivenUp) return reply.requeue();
      reply.ack();
      onEvent({ ...event, parkedId: undefined, error });
    } finally {
      if (isHeld) this.#held--;
    }
  }

  /** Holds nothing any more. */
  close(): void {
    this.#parking?.close();
  }
}
