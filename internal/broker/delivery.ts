/** A delivery that is settled exactly once, on the channel that delivered it. @module */

import type { AmqpDelivery, AmqpProperties } from "./amqp.ts";

/** A delivered message and the duty to settle it. */
export class Delivery {
  /** A view into memory that is shared with other messages: copy to keep or to transfer. */
  readonly body: Uint8Array;
  /** The properties of the message. */
  readonly properties: AmqpProperties;
  /** How often the message was delivered before, as far as the broker tells. */
  readonly redeliveries: number;
  readonly #delivery: AmqpDelivery;
  #isSettled = false;

  constructor(delivery: AmqpDelivery) {
    this.#delivery = delivery;
    this.body = delivery.body;
    this.properties = delivery.properties;
    this.redeliveries = countRedeliveries(delivery);
  }

  /** Tells the broker that the message is dealt with. */
  ack(): void {
    this.#settle();
    this.#delivery.channel.ack(this.#delivery);
  }

  /** Gives the message back to its queue for another server. */
  requeue(): void {
    this.#settle();
    this.#delivery.channel.requeue(this.#delivery);
  }

  /** A second settling would close the channel, or settle a stranger's delivery. */
  #settle(): void {
    if (this.#isSettled) throw new Error("Cannot settle a delivery twice: it is already settled");
    this.#isSettled = true;
  }
}

/** Quorum queues count in `x-delivery-count`; classic queues only say that it was not the first. */
function countRedeliveries({ properties, redelivered }: AmqpDelivery): number {
  const count = properties.headers?.["x-delivery-count"];
  return typeof count === "number" && count > 0 ? count : redelivered ? 1 : 0;
}
