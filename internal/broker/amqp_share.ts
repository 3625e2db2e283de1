/** The part of a shared connection that one session uses: its channels. @module */

import type { AmqpChannel, AmqpConnection, AmqpLink } from "./amqp.ts";
import type { BrokerFeatures } from "./broker_features.ts";

/** A share of a connection: to its session it is like a connection of its own. */
export class AmqpShare implements AmqpLink {
  /** Settles when the connection is gone, with the error if there was one, or the share is given up. */
  readonly closed: Promise<Error | undefined>;
  /** What the broker can do. */
  readonly features: BrokerFeatures;
  onBlocked: (reason: string) => void = () => {};
  onUnblocked: () => void = () => {};
  readonly #amqp: AmqpConnection;
  readonly #onGivenUp: () => void;
  readonly #channels = new Set<AmqpChannel>();
  readonly #closed = Promise.withResolvers<Error | undefined>();
  #isOver = false;

  /**
   * Makes a share without channels.
   *
   * @param amqp The connection.
   * @param onGivenUp Told when the session has closed it.
   */
  constructor(amqp: AmqpConnection, onGivenUp: () => void) {
    this.#amqp = amqp;
    this.features = amqp.features;
    this.#onGivenUp = onGivenUp;
    this.closed = this.#closed.promise;
  }

  /** Whether the broker does not read from the connection at the moment. */
  get isBlocked(): boolean {
    return this.#amqp.isBlocked;
  }

  /** Why it does not, if so. */
  get blockedReason(): string | undefined {
    return this.#amqp.blockedReason;
  }

  /** The largest frame that both sides take, in bytes; 0 without a limit. */
  get maxFrameBytes(): number {
    return this.#amqp.maxFrameBytes;
  }

  /** Opens a channel, which is closed with the share. */
  async openChannel(): Promise<AmqpChannel> {
    const channel = await this.#amqp.openChannel();
    if (this.#isOver) {
      await channel.close();
      throw new Error("Cannot use the channel as its session is over");
    }
    this.#channels.add(channel);
    void channel.closed.then(() => this.#channels.delete(channel));
    return channel;
  }

  /** Does something on a channel of its own. */
  async onOwnChannel<Result>(work: (channel: AmqpChannel) => Promise<Result>): Promise<Result> {
    const channel = await this.openChannel();
    return await work(channel).finally(() => channel.close());
  }

  /** Closes its channels; the connection stays open. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#onGivenUp();
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    this.#closed.resolve(undefined);
  }

  /** Why the connection has ended, if it has, and if anybody said so. */
  endReason(): Promise<Error | undefined> {
    return this.#amqp.endReason();
  }

  /** Ends the connection at once, for all sessions, as its peer does not react any more. */
  destroy(reason: Error): void {
    this.#amqp.destroy(reason);
  }

  /** Says that the connection is gone. */
  end(error: Error | undefined): void {
    this.#isOver = true;
    this.#closed.resolve(error);
  }
}
