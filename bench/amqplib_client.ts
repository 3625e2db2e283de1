/** An RPC client written by hand on amqplib: the baseline. @module */

import { Buffer } from "node:buffer";
import { type ChannelModel, type ConfirmChannel, connect } from "../deps/amqplib.ts";

/** The least that a client can do: one callback queue, a map of correlation ids. */
export class AmqplibClient implements AsyncDisposable {
  readonly #connection: ChannelModel;
  readonly #channel: Pick<ConfirmChannel, "sendToQueue">;
  readonly #replyTo: string;
  readonly #queue: string;
  readonly #pending = new Map<string, (reply: string) => void>();

  private constructor(
    connection: ChannelModel,
    channel: Pick<ConfirmChannel, "sendToQueue">,
    replyTo: string,
    queue: string,
  ) {
    this.#connection = connection;
    this.#channel = channel;
    this.#replyTo = replyTo;
    this.#queue = queue;
  }

  /** Connects; `noDelay` is what the tutorial leaves out. */
  static async connect(
    url: string,
    options: { readonly queue: string; readonly noDelay: boolean },
  ): Promise<AmqplibClient> {
    const connection = await connect(url, { noDelay: options.noDelay });
    const channel = await connection.createChannel();
    const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
    const client = new AmqplibClient(connection, channel, replyTo, options.queue);
    await channel.consume(replyTo, (message) => {
      if (message === null) return;
      const { correlationId } = message.properties;
      client.#pending.get(correlationId)?.(message.content.toString());
      client.#pending.delete(correlationId);
    }, { noAck: true });
    return client;
  }

  /** Calls and waits for the reply. */
  call(type: string, input: unknown): Promise<unknown> {
    const correlationId = crypto.randomUUID();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#pending.set(correlationId, (reply) => resolve(JSON.parse(reply)));
    this.#channel.sendToQueue(this.#queue, Buffer.from(JSON.stringify(input)), {
      correlationId,
      replyTo: this.#replyTo,
      type,
    });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}
