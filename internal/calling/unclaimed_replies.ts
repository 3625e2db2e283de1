/** Replies in a durable queue whose callback by name is not registered. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpDelivery, AmqpPublish } from "../broker/amqp.ts";
import type { BodyLimits } from "../broker/body_limits.ts";
import { Parking, type PersistentOutcome, type Recipient } from "../protocol/parking.ts";
import { DURABLE_REPLY_PREFIX } from "../protocol/reply_address.ts";
import { sleep } from "../time.ts";
import { unknownCallback } from "./call_errors.ts";
import type { ClientSession } from "./client_session.ts";
import type { ClientSettings } from "./client_settings.ts";

/** What {@linkcode UnclaimedReplies} need of their client. */
export interface UnclaimedRepliesMeans {
  readonly limits: BodyLimits;
  /** The session that there is, or the next one. */
  readonly session: () => ClientSession | Promise<ClientSession> | undefined;
  /** Aborts when the client is closed. */
  readonly signal: AbortSignal;
}

/** Pause before a message is published again that the broker did not take, in milliseconds. */
const PAUSE_MS = 200;

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
    means: UnclaimedRepliesMeans,
  ) {
    this.#onEvent = onEvent;
    if (typeof replyQueue !== "object" || unknownCallbacks !== "park") return;
    this.#parking = new Parking({
      queue: DURABLE_REPLY_PREFIX + replyQueue.name,
      durability: "replicated",
      limits: means.limits,
      replies: { publish: (message, recipient) => publishKept(message, recipient, means) },
      declare: declare
        ? async (name, options) => await (await means.session())?.declareQueue(name, options)
        : undefined,
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

/** Publishes until the broker has the message, or does not want it for too long. */
async function publishKept(
  message: AmqpPublish,
  recipient: Recipient,
  { session, signal }: UnclaimedRepliesMeans,
): Promise<PersistentOutcome> {
  for (;;) {
    switch (await (await session())?.publisher.publish(() => message)) {
      case "confirmed":
        return "confirmed";
      case "returned":
        return "orphaned";
      case "too-large":
        return "too-large";
    }
    if (!recipient.isWanted) return "unpublished";
    await sleep(PAUSE_MS, signal);
  }
}
