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
  /** Its place among the consumers that its channel has had. */
  readonly number: number;
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
  /** How long a delivery may stay unsettled, in milliseconds; `undefined` as in its queue. */
  readonly timeoutMs: number | undefined;
  /** Deliveries that are not settled yet. */
  unacked: number;
  /** Deliveries that went back because their time was over, and that are not settled yet. */
  overdue: number;
}

/** Chooses the consumer of a queue that is served next. */
export interface ConsumerChoice {
  /** The number of consumers. */
  readonly size: number;
  /** All consumers, those that are served first. */
  readonly all: readonly Consumer[];
  /** Adds a consumer. */
  add(consumer: Consumer): void;
  /** Takes a consumer out; tells whether it was there. */
  remove(consumer: Consumer): boolean;
  /** Lets a consumer take part again, because it may have room. */
  resume(consumer: Consumer): void;
  /** Returns the consumer whose turn it is, or `undefined` if none has room. */
  next(): Consumer | undefined;
}

/** Chooses consumers in turn, highest priority first, as RabbitMQ does. */
export class ConsumerRotation implements ConsumerChoice {
  #active: Consumer[] = [];
  #waiting: Consumer[] = [];

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
    for (let first = this.#active.shift(); first !== undefined; first = this.#active.shift()) {
      if (first.sink.canDeliver(first)) {
        this.add(first);
        return first;
      }
      this.#waiting.push(first);
    }
    return undefined;
  }
}

/** Who follows a single active consumer, and whether somebody better takes its place before. */
export interface SuccessionRules {
  /** Whether those of higher priority follow first. */
  readonly byPriority: boolean;
  /** Whether one of higher priority replaces the active one. */
  readonly replaces: boolean;
}

/** The credit of a consumer of a quorum queue that sets no prefetch. */
export const QUORUM_PREFETCH = 2000;

/** Serves one consumer only, as queues with `x-single-active-consumer` do. */
export class SingleActiveConsumer implements ConsumerChoice {
  readonly #rules: SuccessionRules;
  /** In the order of their subscriptions. */
  #waiting: Consumer[] = [];
  #active: Consumer | undefined;
  /** The active one gets no more, because somebody better waits for it to settle what it has. */
  #isQuiescing = false;

  /** Creates a choice without consumers. */
  constructor(rules: SuccessionRules) {
    this.#rules = rules;
  }

  /** The number of consumers. */
  get size(): number {
    return this.all.length;
  }

  /** All consumers, the active one first. */
  get all(): readonly Consumer[] {
    return this.#active === undefined ? this.#waiting : [this.#active, ...this.#waiting];
  }

  /** Adds a consumer, which becomes the active one if there is none. */
  add(consumer: Consumer): void {
    this.#waiting.push(consumer);
    this.#elect();
  }

  /** Takes a consumer out; tells whether it was there. */
  remove(consumer: Consumer): boolean {
    const before = this.size;
    this.#waiting = this.#waiting.filter((other) => other !== consumer);
    if (this.#active === consumer) {
      this.#active = undefined;
      this.#isQuiescing = false;
    }
    this.#elect();
    return this.size < before;
  }

  /** Hands over if somebody waits for the last delivery to be settled. */
  resume(consumer: Consumer): void {
    if (consumer === this.#active || this.#active === undefined) this.#elect();
  }

  /** Returns the active consumer if it has room. */
  next(): Consumer | undefined {
    const active = this.#active;
    return active !== undefined && !this.#isQuiescing && active.sink.canDeliver(active)
      ? active
      : undefined;
  }

  #elect(): void {
    const active = this.#active;
    const isOverdue = active !== undefined && active.overdue > 0;
    if ((this.#isQuiescing || isOverdue) && active?.unacked === 0) this.#retire();
    const best = this.#best();
    if (best === undefined) return;
    if (this.#active === undefined) return this.#promote(best);
    if (!this.#rules.replaces || best.priority <= this.#active.priority) return;
    this.#isQuiescing = this.#active.unacked > 0;
    if (this.#isQuiescing) return;
    this.#retire();
    this.#promote(best);
  }

  #retire(): void {
    if (this.#active !== undefined) this.#waiting.push(this.#active);
    this.#active = undefined;
    this.#isQuiescing = false;
  }

  #promote(consumer: Consumer): void {
    this.#active = consumer;
    this.#waiting = this.#waiting.filter((other) => other !== consumer);
  }

  #best(): Consumer | undefined {
    const { byPriority, replaces } = this.#rules;
    const [first, ...others] = this.#waiting.filter(({ overdue }) => overdue === 0);
    return others.reduce((best, other) => {
      if (best === undefined || !byPriority) return best;
      if (best.priority !== other.priority) return best.priority > other.priority ? best : other;
      // Quorum queues prefer those who take more at a time.
      return replaces && other.prefetch > best.prefetch ? other : best;
    }, first);
  }
}
