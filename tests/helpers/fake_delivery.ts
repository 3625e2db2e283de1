/** Deliveries without a broker. @module */

import type { Message } from "../../deps/amqplib.ts";
import { AmqpDelivery, type AmqpProperties } from "../../internal/broker/amqp.ts";

/** What a fake delivery is to be; the rest of it is of no matter. */
export interface FakeDelivery {
  readonly properties?: AmqpProperties;
  readonly body?: Uint8Array;
  readonly redelivered?: boolean;
  /** Told how it is settled. */
  readonly onSettled?: (way: "ack" | "requeue" | "giveBack") => void;
  /** Whether its channel is still there. */
  readonly isOpen?: () => boolean;
}

/** Makes a delivery whose channel only tells how it is settled. */
export function fakeDelivery(parts: FakeDelivery = {}): AmqpDelivery {
  const { properties = {}, body = new Uint8Array(), redelivered = false } = parts;
  const { onSettled = () => {}, isOpen = () => true } = parts;
  const message: unknown = { fields: { redelivered }, properties, content: body };
  const channel = {
    ack: () => onSettled("ack"),
    requeue: () => onSettled("requeue"),
    giveBack: () => onSettled("giveBack"),
    get isOpen() {
      return isOpen();
    },
  };
  // amqplib's own message has more, which nobody reads.
  return new AmqpDelivery(channel, message as Message);
}
