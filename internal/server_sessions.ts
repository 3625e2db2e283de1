/** What a server has on its two connections: a consumer on one, a publisher on the other. @module */

import type { AmqpChannel, AmqpConnection, AmqpDelivery } from "./amqp.ts";
import type { Session } from "./connection.ts";
import { Publisher } from "./publisher.ts";
import { declareRequestQueue, type Durability } from "./topology.ts";

/** Takes deliveries from the request queue. */
export interface ConsumerSession extends Session {
  /** Stops further deliveries; those that are here can still be settled. */
  stop(): Promise<void>;
}

/** Publishes replies. A broker that is short of memory blocks this connection only. */
export interface PublisherSession extends Session {
  readonly publisher: Publisher;
}

/** Options of {@linkcode openConsumerSession}. */
export interface ConsumerOptions {
  readonly queue: string;
  readonly durability: Durability;
  readonly prefetch: number;
  readonly onDelivery: (delivery: AmqpDelivery) => void;
  /** Told when the broker has ended the consumer, before it is started anew. */
  readonly onCancelled: () => void;
}

/** Declares the request queue and consumes it. */
export async function openConsumerSession(
  connection: AmqpConnection,
  options: ConsumerOptions,
): Promise<ConsumerSession> {
  const channel = await connection.openChannel();
  await channel.prefetch(options.prefetch);
  let isStopped = false;
  let consumerTag = await subscribe(channel, options, resubscribe);

  async function resubscribe(): Promise<void> {
    if (isStopped) return;
    options.onCancelled();
    try {
      consumerTag = await subscribe(channel, options, resubscribe);
      if (isStopped) await channel.cancel(consumerTag);
    } catch {
      // The whole session starts anew, after a pause. close() never rejects.
      await channel.close();
    }
  }

  async function stop(): Promise<void> {
    isStopped = true;
    await channel.cancel(consumerTag);
  }

  return { channels: [channel], stop };
}

async function subscribe(
  channel: AmqpChannel,
  options: ConsumerOptions,
  onCancelled: () => void,
): Promise<string> {
  await declareRequestQueue(channel, options.queue, options.durability);
  return await channel.consume(options.queue, { noAck: false }, (delivery) => {
    if (delivery === undefined) onCancelled();
    else options.onDelivery(delivery);
  });
}

/** Opens a channel for replies. */
export async function openPublisherSession(connection: AmqpConnection): Promise<PublisherSession> {
  const channel = await connection.openChannel();
  return { channels: [channel], publisher: new Publisher(channel) };
}
