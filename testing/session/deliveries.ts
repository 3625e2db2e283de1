/** The deliveries of a channel that its client has not settled yet. @module */

import type { Clock, ClockTimer } from "../clock.ts";
import type { Consumer } from "../model/consumer.ts";
import type { Queue, Settlement } from "../model/queue.ts";
import type { SettleOutcome } from "../model/settle_outcome.ts";
import type { VersionRules } from "../model/version_rules.ts";
import { AmqpError } from "../wire/amqp_error.ts";

/** A delivery that the client has to settle. */
export interface Delivery extends Settlement {
  /** The queue that it came from. */
  readonly queue: Queue;
  /** When it must be settled, in Unix milliseconds. */
  readonly deadline: number;
  /** Whether it has gone back to its queue, because its time was over. */
  readonly isSpent: boolean;
}

/** A delivery with its tag. */
export type TaggedDelivery = readonly [deliveryTag: number, delivery: Delivery];

/** Deliveries that were taken out of a channel, by delivery tag in ascending order. */
export class DeliveryBatch {
  /** The deliveries with their tags. */
  readonly deliveries: readonly TaggedDelivery[];

  /** Creates a batch. */
  constructor(deliveries: readonly TaggedDelivery[]) {
    this.deliveries = deliveries;
  }

  /** Settles the deliveries, queue by queue. */
  settle(outcome: SettleOutcome): void {
    const byQueue = new Map<Queue, Settlement[]>();
    for (const [, delivery] of this.deliveries) {
      const same = byQueue.get(delivery.queue);
      if (same === undefined) byQueue.set(delivery.queue, [delivery]);
      else same.push(delivery);
    }
    for (const [queue, settlements] of byQueue) queue.settle(settlements, outcome);
  }
}

/** The unsettled deliveries of one channel, in the order of their tags. */
export class Deliveries {
  readonly #clock: Clock;
  readonly #onOverdue: (overdue: readonly TaggedDelivery[]) => void;
  readonly #deliveries = new Map<number, Delivery>();
  #consumed = 0;
  #timer: ClockTimer | undefined;
  #timerAt = Infinity;

  /** Creates an empty collection that tells of deliveries whose deadline has passed. */
  constructor(clock: Clock, onOverdue: (overdue: readonly TaggedDelivery[]) => void) {
    this.#clock = clock;
    this.#onOverdue = onOverdue;
  }

  /** The number of deliveries to consumers; those to `basic.get` count to no limit. */
  get consumed(): number {
    return this.#consumed;
  }

  /** Adds a delivery. */
  add(deliveryTag: number, delivery: Delivery): void {
    this.#deliveries.set(deliveryTag, delivery);
    if (delivery.consumer !== undefined) this.#consumed++;
    if (delivery.deadline < this.#timerAt) this.#watch(delivery.deadline);
  }

  /**
   * Takes deliveries out so that they can be settled.
   *
   * @throws {AmqpError} If the delivery tag is unknown.
   */
  take(deliveryTag: number, multiple: boolean): DeliveryBatch {
    if (deliveryTag === 0 && multiple) return this.takeAll();
    const delivery = this.#deliveries.get(deliveryTag);
    if (delivery === undefined) {
      throw new AmqpError("precondition-failed", `unknown delivery tag ${deliveryTag}`);
    }
    return this.#take(multiple ? this.#upTo(deliveryTag) : [[deliveryTag, delivery]]);
  }

  /** Takes all deliveries out. */
  takeAll(): DeliveryBatch {
    return this.#take(this.#deliveries);
  }

  /** Puts deliveries back that were taken out and not settled, as a rollback does. */
  restore(batches: readonly DeliveryBatch[]): void {
    const rest = this.takeAll();
    const all = [...batches, rest].flatMap(({ deliveries }) => deliveries);
    all.sort(([one], [other]) => one - other);
    for (const [tag, delivery] of all) this.add(tag, delivery);
  }

  /** Keeps deliveries that have gone back to their queues: only their tags may still be settled. */
  markSpent(deliveries: readonly TaggedDelivery[]): void {
    for (const [tag, delivery] of deliveries) {
      // The queue knows its messages by identity, and may deliver this one again.
      const entry = { ...delivery.entry };
      this.#deliveries.set(tag, { ...delivery, entry, deadline: Infinity, isSpent: true });
    }
  }

  /** Tells of no deadline any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timerAt = -Infinity;
  }

  #watch(deadline: number): void {
    this.#timer?.cancel();
    this.#timerAt = deadline;
    if (deadline === Infinity) return;
    this.#timer = this.#clock.schedule(deadline - this.#clock.now(), () => this.#check());
  }

  /** One timer for all: it comes for the earliest deadline, which may have been met by then. */
  #check(): void {
    const now = this.#clock.now();
    const overdue: TaggedDelivery[] = [];
    let next = Infinity;
    for (const entry of this.#deliveries) {
      const [, { deadline }] = entry;
      if (deadline <= now) overdue.push(entry);
      else next = Math.min(next, deadline);
    }
    this.#watch(next);
    if (overdue.length > 0) this.#onOverdue(overdue);
  }

  *#upTo(deliveryTag: number): Generator<TaggedDelivery> {
    for (const entry of this.#deliveries) {
      if (entry[0] > deliveryTag) return;
      yield entry;
    }
  }

  #take(meant: Iterable<TaggedDelivery>): DeliveryBatch {
    const taken: TaggedDelivery[] = [];
    for (const [tag, delivery] of meant) {
      taken.push([tag, delivery]);
      this.#deliveries.delete(tag);
      if (delivery.consumer !== undefined) this.#consumed--;
    }
    return new DeliveryBatch(taken);
  }
}

/**
 * Returns the deliveries of a channel that is gone in the order in which quorum queues take them back:
 * each fetched message is to them a consumer of its own.
 */
export function inReturnOrder(
  deliveries: readonly TaggedDelivery[],
  { returnOrder }: VersionRules,
): readonly TaggedDelivery[] {
  const rankOf = ([tag, { consumer }]: TaggedDelivery): readonly [number, string] =>
    returnOrder === "by-tag"
      ? [0, consumer?.tag ?? String(tag)]
      : consumer === undefined
      ? [Infinity, String(tag)]
      : [consumer.number, ""];
  return deliveries.toSorted((one, other) => {
    const [[rank, text], [otherRank, otherText]] = [rankOf(one), rankOf(other)];
    if (rank !== otherRank) return rank < otherRank ? -1 : 1;
    return text === otherText ? 0 : text < otherText ? -1 : 1;
  });
}

/** Returns the consumers among some deliveries, each once. */
export function consumersOf(deliveries: readonly TaggedDelivery[]): Set<Consumer> {
  return new Set(deliveries.flatMap(([, { consumer }]) => consumer ?? []));
}
