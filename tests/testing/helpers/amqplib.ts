/** amqplib against a test broker. @module */

import { Buffer } from "node:buffer";
import {
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type ConsumeMessage,
} from "../../../deps/amqplib.ts";

/** A connection that ends quietly when a fault ends it. */
export class AmqplibClient implements AsyncDisposable {
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
  /** Resolves when the connection is gone, with the reason. */
  readonly closed: Promise<Error | undefined>;
  #isClosed = false;

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.connection = connection;
    this.channel = channel;
    this.closed = new Promise((resolve) => {
      let reason: Error | undefined;
      connection.on("error", (error: Error) => reason = error);
      connection.on("close", (error?: Error) => {
        this.#isClosed = true;
        resolve(reason ?? error);
      });
    });
    channel.on("error", () => {});
  }

  static async open(url: string): Promise<AmqplibClient> {
    const connection = await connect(url, { noDelay: true });
    return new AmqplibClient(connection, await connection.createConfirmChannel());
  }

  /** Publishes to a queue; resolves or rejects with the confirm. */
  send(queue: string, body: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.channel.sendToQueue(queue, Buffer.from(body), {}, (error: unknown) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** Consumes a queue; the stream tells `null` when the consumer is cancelled. */
  async consume(queue: string): Promise<ReadableStreamDefaultReader<ConsumeMessage | null>> {
    const { readable, writable } = new TransformStream<ConsumeMessage | null>(
      {},
      { highWaterMark: 1000 },
    );
    const writer = writable.getWriter();
    await this.channel.consume(queue, (message) => void writer.write(message));
    return readable.getReader();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) await this.connection.close().catch(() => {});
  }
}
