/**
 * Publishes with confirms: tells what became of each message, and keeps the number of unconfirmed
 * ones bounded.
 *
 * @module
 */

import type { AmqpChannel, AmqpConfirm, AmqpPublish, AmqpReturn } from "./amqp.ts";

/**
 * What became of a message.
 *
 * - `confirmed`: the broker has it in its queue.
 * - `returned`: there is no such queue.
 * - `refused`: the broker did not take it, for example because the queue is full.
 * - `unknown`: the channel closed after it was sent and before it was confirmed.
 * - `unsent`: it was not sent, because the channel closed or nobody wanted it any more.
 */
export type PublishOutcome = "confirmed" | "returned" | "refused" | "unknown" | "unsent";

/**
 * Most unconfirmed messages on one channel. amqplib's bookkeeping slows down with their number,
 * and a window of 500 is as fast as any.
 */
const MAX_UNCONFIRMED = 500;

const OUTCOMES: Readonly<Record<AmqpConfirm, PublishOutcome>> = {
  acked: "confirmed",
  nacked: "refused",
  closed: "unknown",
};

interface WaitingPublish {
  /** Builds the message when its turn has come; `undefined` if it is not wanted any more. */
  readonly prepare: () => AmqpPublish | undefined;
  readonly settle: (outcome: PublishOutcome) => void;
  readonly fail: (error: unknown) => void;
}

/** Publishes on one channel for as long as that channel lives. */
export class Publisher {
  readonly #channel: AmqpChannel;
  readonly #waiting: WaitingPublish[] = [];
  /** How many messages were returned and are not confirmed yet, by {@linkcode returnKey}. */
  readonly #returned = new Map<string, number>();
  #unconfirmed = 0;
  #isOver = false;

  constructor(channel: AmqpChannel) {
    this.#channel = channel;
    channel.onReturn = (returned) => this.#markReturned(returned);
    channel.closed.then(() => this.#abandonWaiting());
  }

  /**
   * Publishes a message as soon as there is room for it.
   *
   * @param prepare Builds the message at the last moment, or declines by returning `undefined`.
   * @returns What became of it.
   * @throws {TypeError} If a property or header does not fit into AMQP.
   */
  publish(prepare: () => AmqpPublish | undefined): Promise<PublishOutcome> {
    const { promise, resolve: settle, reject: fail } = Promise.withResolvers<PublishOutcome>();
    const entry = { prepare, settle, fail };
    if (this.#unconfirmed < MAX_UNCONFIRMED) this.#send(entry);
    else this.#waiting.push(entry);
    return promise;
  }

  #send({ prepare, settle, fail }: WaitingPublish): void {
    if (this.#isOver || !this.#channel.isOpen) return settle("unsent");
    try {
      const message = prepare();
      if (message === undefined) return settle("unsent");
      this.#channel.publish(message, (confirm) => {
        this.#unconfirmed--;
        // amqplib says so for each message before it tells that the channel has closed.
        if (confirm === "closed") this.#isOver = true;
        settle(this.#takeReturn(message) ? "returned" : OUTCOMES[confirm]);
        this.#sendWaiting();
      });
      this.#unconfirmed++;
    } catch (error) {
      if (this.#channel.isOpen) fail(error);
      else settle("unsent");
    }
  }

  /** The broker returns a message before it confirms it, and gives no delivery tag. */
  #markReturned(returned: AmqpReturn): void {
    const key = returnKey(returned);
    this.#returned.set(key, (this.#returned.get(key) ?? 0) + 1);
  }

  #takeReturn(message: AmqpPublish): boolean {
    if (this.#returned.size === 0) return false;
    const key = returnKey(message);
    const returns = this.#returned.get(key) ?? 0;
    if (returns <= 1) this.#returned.delete(key);
    else this.#returned.set(key, returns - 1);
    return returns > 0;
  }

  #sendWaiting(): void {
    while (this.#unconfirmed < MAX_UNCONFIRMED) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#send(next);
    }
  }

  #abandonWaiting(): void {
    for (const { settle } of this.#waiting.splice(0)) settle("unsent");
  }
}

/** Two messages with the same routing key and correlation id share their fate, so they may share a key. */
function returnKey({ routingKey, properties }: AmqpReturn): string {
  return `${routingKey}\n${properties.correlationId ?? ""}`;
}
