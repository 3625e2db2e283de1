/** A channel: its consumers, its unsettled deliveries and its modes. @module */

import type { Consumer, DeliverySink } from "../model/consumer.ts";
import type { Message, QueuedMessage } from "../model/message.ts";
import type { Queue } from "../model/queue.ts";
import { ABANDONED, type SettleOutcome, TIMED_OUT } from "../model/settle_outcome.ts";
import type { User } from "../model/users.ts";
import type { VirtualHost } from "../model/virtual_host.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { MethodArguments, MethodName } from "../wire/methods.ts";
import type { BrokerContext } from "./broker_context.ts";
import { Confirms } from "./confirms.ts";
import {
  consumersOf,
  Deliveries,
  DeliveryBatch,
  inReturnOrder,
  type TaggedDelivery,
} from "./deliveries.ts";
import { countedProperties } from "./delivery_counts.ts";
import type { Transaction } from "./transaction.ts";

/** A message as it is sent to a client. */
export type OutgoingContent = Pick<Message, "properties" | "body">;

/** The connection as its channels see it; it owns exclusive queues. */
export interface ChannelHost {
  /** Its number in the log. */
  readonly number: number;
  /** What is known of the broker. */
  readonly context: BrokerContext;
  /** Who logged in. */
  readonly user: User;
  /** The virtual host that was opened. */
  readonly virtualHost: VirtualHost;
  /** Whether the client wants to know of cancelled consumers. */
  readonly wantsCancelNotify: boolean;
  /** Closes one of the channels. */
  closeChannel(channel: Channel, error: AmqpError): void;
  /** Tells whether the client reads fast enough; if not, consumers are served again once it has. */
  hasRoom(): boolean;
  /** Sends a method, with content if given. */
  send<Name extends MethodName>(
    method: { readonly channel: number; readonly name: Name },
    values: MethodArguments<Name>,
    content?: OutgoingContent,
  ): void;
}

/** A consumer of this channel and the queue that it consumes. */
export interface Subscription {
  /** The consumer. */
  readonly consumer: Consumer;
  /** The queue. */
  readonly queue: Queue;
}

/** The consumer of direct replies of a channel. */
export interface ReplyConsumer {
  /** The tag by which the client knows it. */
  readonly tag: string;
  /** The address that requests of this channel carry. */
  readonly address: string;
}

/** A channel of a connection. */
export class Channel implements DeliverySink {
  /** The channel number. */
  readonly number: number;
  /** The connection. */
  readonly host: ChannelHost;
  /** The consumers by their tags. */
  readonly subscriptions: Map<string, Subscription> = new Map();
  /** The consumer of direct replies, if there is one. */
  replyConsumer: ReplyConsumer | undefined;
  /** The queue declared last, which an empty queue name means. */
  lastQueueName = "";
  /** The number of the consumer to come. */
  nextConsumerNumber = 0;
  /** The most unsettled deliveries of consumers to come, 0 for no limit. */
  consumerPrefetch = 0;
  /** Confirm mode, if selected. */
  confirms: Confirms | undefined;
  /** Transaction mode, if selected. */
  transaction: Transaction | undefined;
  /** What the client has not settled yet. */
  readonly deliveries: Deliveries;
  #globalPrefetch = 0;
  #nextDeliveryTag = 1;
  /** Deliveries that wait for the answer to a commit. */
  #held: (() => void)[] | undefined;
  #isReleased = false;

  /** Creates an open channel. */
  constructor(number: number, host: ChannelHost) {
    this.number = number;
    this.host = host;
    this.deliveries = new Deliveries(host.context.clock, (overdue) => this.#endOverdue(overdue));
  }

  /** Whether a limit over all consumers is set. */
  get hasGlobalPrefetch(): boolean {
    return this.#globalPrefetch > 0;
  }

  /** Sends a method. */
  send<Name extends MethodName>(
    name: Name,
    values: MethodArguments<Name>,
    content?: OutgoingContent,
  ): void {
    this.host.send({ channel: this.number, name }, values, content);
  }

  /** Sets the limit of unsettled deliveries over all consumers. */
  setGlobalPrefetch(count: number): void {
    this.#globalPrefetch = count;
    this.resumeConsumers();
  }

  /** Keeps deliveries back until they are released. */
  holdDeliveries(): { release(): void } {
    const held: (() => void)[] = this.#held = [];
    return {
      release: () => {
        this.#held = undefined;
        for (const send of held) send();
      },
    };
  }

  /** Selects confirm mode. */
  selectConfirms(): void {
    this.confirms ??= new Confirms(({ outcome, deliveryTag, multiple }) => {
      if (this.#isReleased) return;
      if (outcome === "ack") this.send("basic.ack", { deliveryTag, multiple });
      else this.send("basic.nack", { deliveryTag, multiple, requeue: false });
    });
  }

  /** Lets all consumers take part again, because there may be room. */
  resumeConsumers(): void {
    for (const { consumer, queue } of this.subscriptions.values()) queue.resume(consumer);
  }

  /** Tells whether the channel can take one more delivery for a consumer. */
  canDeliver(consumer: Consumer): boolean {
    if (this.#isReleased || !this.host.hasRoom()) return false;
    // The limit of the channel keeps even those waiting who settle nothing, as in RabbitMQ.
    if (this.hasGlobalPrefetch && this.deliveries.consumed >= this.#globalPrefetch) return false;
    const { noAck, prefetch, unacked, overdue } = consumer;
    return overdue === 0 && (noAck || prefetch === 0 || unacked < prefetch);
  }

  /** Delivers a message to a consumer. */
  deliver(consumer: Consumer, entry: QueuedMessage): void {
    const subscription = this.subscriptions.get(consumer.tag);
    if (subscription === undefined) return;
    const deliveryTag = this.#nextDeliveryTag++;
    const { queue } = subscription;
    if (!consumer.noAck) {
      const deadline = this.#deadline(queue, consumer);
      this.deliveries.add(deliveryTag, { queue, entry, consumer, deadline, isSpent: false });
    }
    const { exchange, routingKeys: [routingKey], body } = entry.message;
    this.#sendDelivery({
      consumerTag: consumer.tag,
      deliveryTag,
      redelivered: entry.redelivered,
      exchange,
      routingKey,
    }, { properties: countedProperties(queue, entry), body });
  }

  /** Delivers a direct reply, which nobody settles. */
  deliverReply(tag: string, message: Message): void {
    this.#sendDelivery({
      consumerTag: tag,
      deliveryTag: this.#nextDeliveryTag++,
      redelivered: false,
      exchange: message.exchange,
      routingKey: message.routingKeys[0],
    }, message);
  }

  /** Answers `basic.get` with a message. */
  sendGetOk(queue: Queue, entry: QueuedMessage, noAck: boolean): void {
    const deliveryTag = this.#nextDeliveryTag++;
    if (!noAck) {
      const deadline = this.#deadline(queue);
      const consumer = undefined;
      this.deliveries.add(deliveryTag, { queue, entry, consumer, deadline, isSpent: false });
    }
    const { exchange, routingKeys: [routingKey], body } = entry.message;
    // Unlike deliveries, what is fetched from a quorum queue of 3.10 carries a count of zero, too.
    const alwaysCounts = !this.host.virtualHost.rules.keepsAnnotations;
    this.send("basic.get-ok", {
      deliveryTag,
      redelivered: entry.redelivered,
      exchange,
      routingKey,
      messageCount: queue.messageCount,
    }, { properties: countedProperties(queue, entry, { alwaysCounts }), body });
  }

  /** Tells the client that its consumer is gone, because the queue is. */
  cancelled(consumer: Consumer): void {
    if (!this.subscriptions.delete(consumer.tag) || !this.host.wantsCancelNotify) return;
    this.send("basic.cancel", { consumerTag: consumer.tag, nowait: true });
  }

  /** Settles deliveries and uses the room that this makes. */
  settle(batch: DeliveryBatch, outcome: SettleOutcome): void {
    batch.settle(outcome);
    if (this.hasGlobalPrefetch) this.resumeConsumers();
    for (const [, { queue, consumer, isSpent }] of batch.deliveries) {
      if (!isSpent || consumer === undefined) continue;
      consumer.overdue--;
      queue.resume(consumer);
    }
  }

  /** Ends the channel: consumers go, deliveries go back. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const { virtualHost } = this.host;
    if (this.replyConsumer !== undefined) {
      virtualHost.replyConsumers.remove(this.replyConsumer.address);
    }
    const subscriptions = [...this.subscriptions.values()];
    this.subscriptions.clear();
    this.transaction?.rollback();
    this.deliveries.stop();
    const { deliveries } = this.deliveries.takeAll();
    const batch = new DeliveryBatch(inReturnOrder(deliveries, virtualHost.rules));
    for (const { consumer, queue } of subscriptions) queue.detachConsumer(consumer);
    batch.settle(ABANDONED);
    // Only now, so that what comes back goes before what waits.
    for (const { queue } of subscriptions) queue.run();
  }

  #sendDelivery(values: MethodArguments<"basic.deliver">, content: OutgoingContent): void {
    if (this.#held === undefined) this.send("basic.deliver", values, content);
    else this.#held.push(() => this.send("basic.deliver", values, content));
  }

  #deadline(queue: Queue, consumer?: Consumer): number {
    const { rules, clock } = this.host.virtualHost;
    const { type, consumerTimeoutMs } = queue.declaration.settings;
    if (rules.consumerTimeoutEnds === "consumer" && type === "classic") return Infinity;
    const ms = consumer?.timeoutMs ?? consumerTimeoutMs ?? this.host.context.consumerTimeoutMs;
    return ms === Infinity ? Infinity : clock.now() + ms;
  }

  /** Before 4.3 the channel ends; since then the consumer, if its client can be told. */
  #endOverdue(overdue: readonly TaggedDelivery[]): void {
    const consumers = consumersOf(overdue);
    const { rules } = this.host.virtualHost;
    const canCancel = this.host.wantsCancelNotify && overdue.every(([, { consumer }]) => consumer);
    if (rules.consumerTimeoutEnds === "channel" || !canCancel) {
      return this.host.closeChannel(this, this.#overdueError());
    }
    for (const [, { consumer }] of overdue) if (consumer !== undefined) consumer.overdue++;
    new DeliveryBatch(overdue).settle(TIMED_OUT);
    // The client may still settle them, which lets the consumer take part again.
    this.deliveries.markSpent(overdue);
    for (const { tag: consumerTag } of consumers) {
      this.send("basic.cancel", { consumerTag, nowait: true });
    }
  }

  #overdueError(): AmqpError {
    const { context, virtualHost: { rules } } = this.host;
    // From 4.3 on RabbitMQ does not know any more here how long it was.
    const ms = rules.consumerTimeoutEnds === "channel" ? context.consumerTimeoutMs : -1;
    return new AmqpError(
      "precondition-failed",
      `delivery acknowledgement on channel ${this.number} timed out. Timeout value used: ${ms} ms. ` +
        "This timeout value can be configured, see consumers doc guide to learn more",
    );
  }
}
