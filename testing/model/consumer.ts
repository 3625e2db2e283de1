/** Consumers of one queue, and the turn-taking among them. @module */

import type { QueuedMessage } from "./message.ts";

/** Where deliveries of a consumer go: its channel. */
export interface DeliverySink {
  /** Tells whether the channel can take one more delivery for this consumer. */
  canDeliver(consumer: Consumer): boolean;
  /** Delivers one message. */
  deliver(consumer: Consumer, entry: QueuedMessage): void;
  /** Tells the client that its consumer is gone, because the queue is. */
  cancelled(consumer: Consumer): void;
}

/** One subscription of a channel to a queue. */
export interface Consumer {
  /** The tag by which the client knows it. */
  readonly tag: string;
  /** Whether deliveries need no acknowledgement. */
  readonly noAck: boolean;
  /** Whether it keeps other consumers out. */
  readonly exclusive: boolean;
  /** Consumers of higher priority are served first. */
  readonly priority: number;
  /** The most unsettled deliveries, 0 for no limit. */
  readonly prefetch: number;
  /** Where deliveries go. */
  readonly sink: DeliverySink;
  /** Deliveries that are not settled yet. */
  unacked: number;
}

/** Chooses consumers in turn, highest priority first, as RabbitMQ does. */
export class ConsumerRotation {
  readonly #singleActive: boolean;
  #active: Consumer[] = [];
  #waiting: Consumer[] = [];

  /** Creates an empty rotation; with `singleActive` only the first consumer is served. */
  constructor(singleActive: boolean) {
    this.#singleActive = singleActive;
  }

  /** The number of consumers. */
  get size(): number {
    return this.#active.length + this.#waiting.length;
  }

  /** All consumers, those with room first. */
  get all(): readonly Consumer[] {
    return [...this.#active, ...this.#waiting];
  }

  /** Adds a consumer behind those of its priority. */
  add(consumer: Consumer): void {
    const behind = this.#active.findIndex((other) => other.priority < consumer.priority);
    this.#active.splice(behind < 0 ? this.#active.length : behind, 0, consumer);
  }

  /** Takes a consumer out; tells whether it was there. */
  remove(consumer: Consumer): boolean {
    const before = this.size;
    this.#active = this.#active.filter((other) => other !== consumer);
    this.#waiting = this.#waiting.filter((other) => other !== consumer);
    return this.size < before;
  }

  /** Lets a consumer take part again, because it may have room. */
  resume(consumer: Consumer): void {
    if (!this.#waiting.includes(consumer)) return;
    this.#waiting = this.#waiting.filter((other) => other !== consumer);
    this.add(consumer);
  }

  /** Returns the consumer whose turn it is, or `undefined` if none has room. */
  next(): Consumer | undefined {
    if (this.#singleActive) return this.#nextSingle();
    for (let first = this.#active.shift(); first !== undefined; first = this.#active.shift()) {
      if (first.sink.canDeliver(first)) {
        this.add(first);
        return first;
      }
      this.#waiting.push(first);
    }
    return undefined;
  }

  #nextSingle(): Consumer | undefined {
    this.#active.push(...this.#waiting.splice(0));
    const first = this.#active[0];
    return first?.sink.canDeliver(first) ? first : undefined;
  }
}
