/** Parks requests that a server cannot serve, in a queue beside the request queue. @module */

import { RpcError } from "../../errors.ts";
import { generate as newId } from "../../deps/std_uuid.ts";
import type { Durability } from "../../options/server_options.ts";
import type { AmqpDelivery, AmqpQueueOptions } from "../broker/amqp.ts";
import { amqpCodeOf } from "../broker/amqp_error.ts";
import { checkName } from "../check.ts";
import {
  type OutgoingParked,
  parkedMessage,
  parkingQueueOf,
  type ParkingReason,
} from "../protocol/parked_message.ts";
import type { Recipient, Replies } from "./replies.ts";
import { sleep } from "../time.ts";

/** Options of {@linkcode Parking}. */
export interface ParkingOptions {
  /** The request queue. */
  readonly queue: string;
  readonly durability: Durability;
  readonly replies: Replies;
  /** Declares a queue on whatever session there is. */
  readonly declare: (queue: string, options: AmqpQueueOptions) => Promise<void>;
}

/** How long a request that the broker refuses is published again, in milliseconds. */
const REFUSAL_LIMIT_MS = 10_000;

/** Pause before a queue is declared again after the connection was lost, in milliseconds. */
const RETRY_PAUSE_MS = 500;

/** Most attempts to have the queue. */
const MAX_ATTEMPTS = 20;

/**
 * Whoever inspects a quorum queue gives back what is in it, and from RabbitMQ 4 on a message is
 * dropped that was given back 20 times. This number is not reached; older versions take it, too.
 */
const DELIVERY_LIMIT = 2 ** 31 - 1;

/**
 * Parks requests. The queue is declared when the first request needs it: most servers never do,
 * and a user who may not declare it can be given one.
 */
export class Parking {
  readonly #options: ParkingOptions;

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  /**
   * Parks a request.
   *
   * @returns Its id, once the broker has it.
   * @throws {RpcError} `closed`, if the server closed before; the request is still in its queue.
   * @throws {RpcError} With `retryable`, if the queue cannot be reached or declared at the moment.
   * @throws Why the request can never be parked.
   */
  async park({ properties, body }: AmqpDelivery, reason: ParkingReason): Promise<string> {
    const { queue } = this.#options;
    checkName("park the request", { "parking queue": parkingQueueOf(queue) });
    const parked = { id: newId(), queue, properties, body, reason };
    try {
      await this.#publish({ ...parked, withHeaders: true });
    } catch (error) {
      if (error instanceof RpcError) throw error;
      // Headers that came may be too large to be sent with the reason added.
      await this.#publish({ ...parked, withHeaders: false });
    }
    return parked.id;
  }

  async #publish(parked: OutgoingParked): Promise<void> {
    const message = parkedMessage(parked);
    const until = Date.now() + REFUSAL_LIMIT_MS;
    const recipient: Recipient = {
      get isWanted() {
        return Date.now() < until;
      },
    };
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      switch (await this.#options.replies.publish(message, recipient)) {
        case "confirmed":
          return;
        case "unpublished":
          throw this.#passing("queue-full", "the broker does not take it");
        case "orphaned":
          await this.#declare();
      }
    }
    throw this.#passing("disconnected", "the queue cannot be declared");
  }

  async #declare(): Promise<void> {
    const { queue, durability, declare } = this.#options;
    const args = durability === "replicated"
      ? { "x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT }
      // A virtual host may have another default, and with it a limit.
      : { "x-queue-type": "classic" };
    try {
      await declare(parkingQueueOf(queue), { durable: true, arguments: args });
    } catch (error) {
      if (error instanceof RpcError) throw error;
      const code = amqpCodeOf(error);
      // 406: somebody has declared it at the same time, in another way, which will do.
      if (code === 406) return;
      if (code === 403) throw this.#refused(error);
      // The connection is being replaced.
      await sleep(RETRY_PAUSE_MS);
    }
  }

  #passing(code: "queue-full" | "disconnected", reason: string): RpcError {
    return new RpcError(code, `${this.#subject()} ${reason}`, { retryable: true });
  }

  #refused(cause: unknown): RpcError {
    return new RpcError(
      "access-refused",
      `${this.#subject()} the user may not declare it: grant it, or declare it by hand: ` +
        "see docs/permissions.md",
      { cause },
    );
  }

  #subject(): string {
    return `Cannot park the request in queue "${parkingQueueOf(this.#options.queue)}" as`;
  }
}
