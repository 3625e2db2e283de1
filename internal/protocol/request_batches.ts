/** Requests that share a message. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import { sleep } from "../time.ts";
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

/** A request that the queue does not take at once waits here: its batch is held meanwhile. */
const UNWANTED = { isWanted: false };

/** Pause before a request is sent again that the queue has not taken, in milliseconds: longer each time. */
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 10_000;

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
    const parts = splitBatch(delivery, (failed) => this.sendAgain(delivery, failed));
    if (parts.length === 0) return false;
    this.takeParts(delivery, parts);
    return true;
  }

  /** Takes the requests of a batch over: see {@linkcode RequestBatches.take}. */
  takeParts(delivery: AmqpDelivery, parts: readonly AmqpDelivery[]): void {
    if (delivery.redeliveries > 0) return this.sendAgain(delivery, parts);
    for (const part of parts) this.#waiting.push(part);
    this.startNext();
  }

  /** Takes one request of a batch over, which waits for a place. */
  wait(part: AmqpDelivery): void {
    this.#waiting.push(part);
    this.startNext();
  }

  /** Sends requests of a batch to the queue, one by one, and settles the batch then. */
  sendAgain(delivery: AmqpDelivery, parts: readonly FailedPart[]): void {
    void this.#sendEach(delivery, parts);
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

  /**
   * Sends requests until the queue has all of them: were the batch given back for one that it does not
   * take, the others would come twice, and more each time. Never rejects.
   */
  async #sendEach(delivery: AmqpDelivery, parts: readonly FailedPart[]): Promise<void> {
    let left = parts;
    try {
      for (
        let pauseMs = FIRST_PAUSE_MS;
        !delivery.isLost;
        pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
      ) {
        const isDone = await Promise.all(left.map((part) => this.#send(part)));
        left = left.filter((_, index) => !isDone[index]);
        if (left.length === 0) return delivery.ack();
        await sleep(pauseMs);
      }
    } catch {
      // The server is closed: the batch goes back to the queue with its channel.
    }
  }

  /**
   * Sends a request.
   *
   * @returns Whether it need not be sent again.
   * @throws {RpcError} `closed`, if the server is.
   */
  async #send({ properties, body }: FailedPart): Promise<boolean> {
    const { queue, replies } = this.#options;
    const message = { routingKey: queue, body, properties, mandatory: true, isForwarded: true };
    try {
      const outcome = await replies.publish(message, UNWANTED);
      return outcome === "confirmed" || outcome === "too-large";
    } catch (error) {
      if (error instanceof RpcError) throw error;
      // No client has sent what does not fit into a message, and nobody could serve it alone.
      return true;
    }
  }
}
