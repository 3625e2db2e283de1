/** A peer that knows nothing of us: hand-written amqplib. @module */

import { Buffer } from "node:buffer";
import {
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type ConsumeMessage,
  type Options,
} from "../../deps/amqplib.ts";
import { brokerUrl, deleteQueue, randomQueue } from "./broker.ts";
import { within } from "./eventually.ts";

/** A message that a peer has received. */
export type PeerMessage = ConsumeMessage;

/** Plays a client or a server by hand, message by message. */
export class AmqpPeer implements AsyncDisposable {
  /** The peer's own queue, which only its connection can consume. */
  readonly replyQueue: string;
  readonly #model: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #stack = new AsyncDisposableStack();
  #replies: Promise<AsyncIterableIterator<PeerMessage>> | undefined;

  private constructor(model: ChannelModel, channel: ConfirmChannel, replyQueue: string) {
    this.#model = model;
    this.#channel = channel;
    this.replyQueue = replyQueue;
  }

  static async open(url: string = brokerUrl()): Promise<AmqpPeer> {
    const model = await connect(url, { noDelay: true });
    // Tests that break connections break this one too; what follows from it shows by itself.
    model.on("error", () => {});
    const channel = await model.createConfirmChannel();
    channel.on("error", () => {});
    const { queue } = await channel.assertQueue("", { exclusive: true });
    return new AmqpPeer(model, channel, queue);
  }

  /** Declares a durable queue that lives as long as the peer. */
  async declareQueue(
    queue: string = randomQueue(),
    options: Options.AssertQueue = { durable: true },
  ): Promise<string> {
    await this.#channel.assertQueue(queue, options);
    this.#stack.defer(() => deleteQueue(queue));
    return queue;
  }

  /** Publishes to a queue; resolves when the broker has confirmed it. */
  async send(
    queue: string,
    body: string | Uint8Array,
    properties: Options.Publish = {},
  ): Promise<void> {
    await this.publish("", queue, body, properties);
  }

  /** Publishes to an exchange; resolves when the broker has confirmed it. */
  async publish(
    exchange: string,
    routingKey: string,
    body: string | Uint8Array,
    properties: Options.Publish = {},
  ): Promise<void> {
    this.#channel.publish(exchange, routingKey, Buffer.from(body), properties);
    await this.#channel.waitForConfirms();
  }

  /** Yields the messages of a queue as they come, and acknowledges each. */
  async messages(queue: string): Promise<AsyncIterableIterator<PeerMessage>> {
    const waiting: PeerMessage[] = [];
    let wake = () => {};
    await this.#channel.consume(queue, (message) => {
      if (message === null) return;
      this.#channel.ack(message);
      waiting.push(message);
      wake();
    });
    return (async function* () {
      for (;;) {
        const message = waiting.shift();
        if (message !== undefined) yield message;
        else await new Promise<void>((resolve) => wake = resolve);
      }
    })();
  }

  /** Waits for the next message of this peer's own queue. */
  async nextReply(): Promise<PeerMessage> {
    return await nextOf(await (this.#replies ??= this.messages(this.replyQueue)));
  }

  /** Sends a request with this peer's reply queue and waits for the next reply. */
  async request(
    queue: string,
    body: string | Uint8Array,
    properties: Options.Publish = {},
  ): Promise<PeerMessage> {
    await this.send(queue, body, { replyTo: this.replyQueue, ...properties });
    return await this.nextReply();
  }

  /** Takes one message out of a queue, as a server does that gives it back. */
  async giveBack(queue: string, options: { readonly requeue: boolean }): Promise<void> {
    for (;;) {
      const message = await this.#channel.get(queue);
      // What a nack gives back is not counted from 4.3 on.
      if (message) return this.#channel.reject(message, options.requeue);
    }
  }

  /** Counts the consumers of a queue. */
  async countConsumers(queue: string): Promise<number> {
    return (await this.#channel.checkQueue(queue)).consumerCount;
  }

  /** Messages of a queue that wait for a consumer. */
  async countMessages(queue: string): Promise<number> {
    return (await this.#channel.checkQueue(queue)).messageCount;
  }

  async deleteQueue(queue: string): Promise<void> {
    await this.#channel.deleteQueue(queue);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel.close().catch(() => {});
    await this.#model.close().catch(() => {});
    await this.#stack.disposeAsync();
  }
}

/** Longer than any test waits for a message that comes: one that does not is a failure, no hang. */
const LIMIT_MS = 60_000;

/** The next message of an iterator that never ends. */
export async function nextOf(messages: AsyncIterableIterator<PeerMessage>): Promise<PeerMessage> {
  const { value } = await within(LIMIT_MS, "the wait for a message", messages.next());
  return value;
}
