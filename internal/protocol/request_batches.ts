/** Requests that share a message. @module */

import type { AmqpDelivery } from "../broker/amqp.ts";
import { type FailedPart, splitBatch } from "./message_batch.ts";
import type { ParkingOptions } from "./parking.ts";

/** What {@linkcode RequestBatches} need of their server. */
export interface RequestBatchesOptions {
  readonly queue: string;
  readonly replies: ParkingOptions["replies"];
  /** Serves one request. Never rejects. */
  readonly accept: (request: AmqpDelivery) => Promise<void>;
  /** How many requests may be in hand; a batch counts as one for the broker. */
  readonly places: () => number;
}

/** Nobody waits for a request that the queue does not take at once: its batch comes again. */
const UNWANTED = { isWanted: false };

/** Serves the requests of batches: as many at a time as the server takes, the others wait. */
export class RequestBatches {
  readonly #options: RequestBatchesOptions;
  #waiting: AmqpDelivery[] = [];
  /** Those before it are gone. */
  #first = 0;

  constructor(options: RequestBatchesOptions) {
    this.#options = options;
  }

  /** Whether no request waits. */
  get isEmpty(): boolean {
    return this.#first === this.#waiting.length;
  }

  /**
   * Takes a batch over. One that comes again may hold what its server has died of: its requests go
   * back to the queue one by one, so that each is counted for itself.
   *
   * @returns Whether the batch can be read.
   */
  take(delivery: AmqpDelivery): boolean {
    const parts = splitBatch(delivery, (failed) => void this.#sendEach(delivery, failed));
    if (parts.length === 0) return false;
    if (delivery.redeliveries > 0) {
      void this.#sendEach(delivery, parts);
      return true;
    }
    for (const part of parts) this.#waiting.push(part);
    this.startNext();
    return true;
  }

  /** Starts requests that wait, while there are places, or will be at once. */
  startNext(leaving: number = 0): void {
    for (let places = this.#options.places() + leaving; places > 0 && !this.isEmpty; places--) {
      const part = this.#waiting[this.#first++];
      // With its channel, it is back in its queue.
      if (part !== undefined && !part.isLost) void this.#options.accept(part);
    }
    if (!this.isEmpty) return;
    this.#waiting = [];
    this.#first = 0;
  }

  /** Never rejects. */
  async #sendEach(delivery: AmqpDelivery, parts: readonly FailedPart[]): Promise<void> {
    const { queue, replies } = this.#options;
    try {
      const outcomes = await Promise.all(parts.map(({ properties, body }) => {
        const message = { routingKey: queue, body, properties, mandatory: true, isForwarded: true };
        return replies.publish(message, UNWANTED);
      }));
      if (outcomes.every((outcome) => outcome === "confirmed")) delivery.ack();
      else delivery.requeue();
    } catch {
      // The server is closed: the batch goes back to the queue with its channel.
    }
  }
}
