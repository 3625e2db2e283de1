/** A channel: its consumers, its unsettled deliveries and its modes. @module */

import type { Consumer, DeliverySink } from "../model/consumer.ts";
import type { Message, QueuedMessage } from "../model/message.ts";
import type { Queue, Settlement, SettleOutcome } from "../model/queue.ts";
import type { User } from "../model/users.ts";
import type { VirtualHost } from "../model/virtual_host.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { BasicProperties } from "../wire/basic_properties.ts";
import { sortedTable } from "../wire/field_value.ts";
import type { MethodArguments, MethodName } from "../wire/methods.ts";
import type { BrokerContext } from "./broker_context.ts";
import { Confirms } from "./confirms.ts";
import type { Transaction } from "./transaction.ts";

/** A message as it is sent to a client. */
export type OutgoingContent = Pick<Message, "properties" | "body">;

/** The connection as its channels see it; it owns exclusive queues. */
export interface ChannelHost {
  /** What is known of the broker. */
  readonly context: BrokerContext;
  /** Who logged in. */
  readonly user: User;
  /** The virtual host that was opened. */
  readonly virtualHost: VirtualHost;
  /** Whether the client wants to know of cancelled consumers. */
  readonly wantsCancelNotify: boolean;
  /** Tells whether the client reads fast enough; if not, consumers are served again once it has. */
  hasRoom(): boolean;
  /** Sends a method, with content if given. */
  send<Name extends MethodName>(
    method: { readonly channel: number; readonly name: Name },
    values: MethodArguments<Name>,
    content?: OutgoingContent,
  ): void;
}

/** A delivery that the client has to settle. */
interface Delivery extends Settlement {
  readonly queue: Queue;
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
  /** The most unsettled deliveries of consumers to come, 0 for no limit. */
  consumerPrefetch = 0;
  /** Confirm mode, if selected. */
  confirms: Confirms | undefined;
  /** Transaction mode, if selected. */
  transaction: Transaction | undefined;
  readonly #deliveries = new Map<number, Delivery>();
  #globalPrefetch = 0;
  /** Deliveries to consumers that are not settled; those to `basic.get` count to no limit. */
  #consumed = 0;
  #nextDeliveryTag = 1;
  #isReleased = false;

  /** Creates an open channel. */
  constructor(number: number, host: ChannelHost) {
    this.number = number;
    this.host = host;
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
    if (this.hasGlobalPrefetch && this.#consumed >= this.#globalPrefetch) return false;
    const { noAck, prefetch, unacked } = consumer;
    return noAck || prefetch === 0 || unacked < prefetch;
  }

  /** Delivers a message to a consumer. */
  deliver(consumer: Consumer, entry: QueuedMessage): void {
    const subscription = this.subscriptions.get(consumer.tag);
    if (subscription === undefined) return;
    const deliveryTag = this.#nextDeliveryTag++;
    const { queue } = subscription;
    if (!consumer.noAck) this.#add(deliveryTag, { queue, entry, consumer });
    const { exchange, routingKeys: [routingKey], properties, body } = entry.message;
    this.send("basic.deliver", {
      consumerTag: consumer.tag,
      deliveryTag,
      redelivered: entry.redelivered,
      exchange,
      routingKey,
    }, { properties: entry.deliveryCount > 0 ? countedProperties(entry) : properties, body });
  }

  /** Delivers a direct reply, which nobody settles. */
  deliverReply(tag: string, message: Message): void {
    this.send("basic.deliver", {
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
    if (!noAck) this.#deliveries.set(deliveryTag, { queue, entry, consumer: undefined });
    const { exchange, routingKeys: [routingKey], properties, body } = entry.message;
    // Unlike deliveries, what is fetched from a quorum queue carries a count of zero too.
    const isCounted = queue.declaration.settings.type === "quorum";
    this.send("basic.get-ok", {
      deliveryTag,
      redelivered: entry.redelivered,
      exchange,
      routingKey,
      messageCount: queue.messageCount,
    }, { properties: isCounted ? countedProperties(entry) : properties, body });
  }

  /** Tells the client that its consumer is gone, because the queue is. */
  cancelled(consumer: Consumer): void {
    if (!this.subscriptions.delete(consumer.tag) || !this.host.wantsCancelNotify) return;
    this.send("basic.cancel", { consumerTag: consumer.tag, nowait: true });
  }

  /**
   * Takes deliveries out so that they can be settled.
   *
   * @throws {AmqpError} If the delivery tag is unknown.
   */
  takeDeliveries(deliveryTag: number, multiple: boolean): DeliveryBatch {
    if (deliveryTag === 0 && multiple) return this.takeAllDeliveries();
    const delivery = this.#deliveries.get(deliveryTag);
    if (delivery === undefined) {
      throw new AmqpError("precondition-failed", `unknown delivery tag ${deliveryTag}`);
    }
    return this.#take(multiple ? this.#upTo(deliveryTag) : [[deliveryTag, delivery]]);
  }

  /** Takes all deliveries out. */
  takeAllDeliveries(): DeliveryBatch {
    return this.#take(this.#deliveries);
  }

  /** Puts deliveries back that were taken out and not settled, as a rollback does. */
  restoreDeliveries(batches: readonly DeliveryBatch[]): void {
    const rest = this.takeAllDeliveries();
    const all = [...batches, rest].flatMap(({ deliveries }) => deliveries);
    all.sort(([one], [other]) => one - other);
    for (const [tag, delivery] of all) this.#add(tag, delivery);
  }

  /** Settles deliveries and uses the room that this makes. */
  settle(batch: DeliveryBatch, outcome: SettleOutcome): void {
    batch.settle(outcome);
    if (this.hasGlobalPrefetch) this.resumeConsumers();
  }

  /** Ends the channel: consumers go, deliveries go back. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const { virtualHost } = this.host;
    if (this.replyConsumer !== undefined) {
      virtualHost.removeReplyConsumer(this.replyConsumer.address);
    }
    const subscriptions = [...this.subscriptions.values()];
    this.subscriptions.clear();
    this.transaction?.rollback();
    const batch = this.takeAllDeliveries();
    for (const { consumer, queue } of subscriptions) queue.removeConsumer(consumer);
    batch.settle("return");
  }

  #add(deliveryTag: number, delivery: Delivery): void {
    this.#deliveries.set(deliveryTag, delivery);
    if (delivery.consumer !== undefined) this.#consumed++;
  }

  *#upTo(deliveryTag: number): Generator<[number, Delivery]> {
    for (const entry of this.#deliveries) {
      if (entry[0] > deliveryTag) return;
      yield entry;
    }
  }

  #take(meant: Iterable<[number, Delivery]>): DeliveryBatch {
    const taken: [number, Delivery][] = [];
    for (const [tag, delivery] of meant) {
      taken.push([tag, delivery]);
      this.#deliveries.delete(tag);
      if (delivery.consumer !== undefined) this.#consumed--;
    }
    return new DeliveryBatch(taken);
  }
}

/** Deliveries that were taken out of a channel, by delivery tag in ascending order. */
export class DeliveryBatch {
  /** The deliveries with their tags. */
  readonly deliveries: readonly (readonly [number, Delivery])[];

  /** Creates a batch. */
  constructor(deliveries: readonly (readonly [number, Delivery])[]) {
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

/** Quorum queues tell how often a message came back. */
function countedProperties({ message, deliveryCount }: QueuedMessage): BasicProperties {
  const headers = new Map(message.properties.headers);
  headers.set("x-delivery-count", { type: "long", value: BigInt(deliveryCount) });
  return message.properties.with({ headers: sortedTable(headers) });
}
