/** Takes requests from the queue: as many as the handlers can take, and none while they cannot. @module */

import type { AmqpChannel, AmqpConnection, AmqpDelivery } from "../broker/amqp.ts";
import { declareRequestQueue, type RequestQueue } from "../protocol/topology.ts";

/** Options of {@linkcode Intake.start}. */
export interface IntakeOptions extends RequestQueue {
  /** Tells how many requests the server should have in hand at the moment. */
  readonly prefetch: () => number;
  readonly onDelivery: (delivery: AmqpDelivery) => void;
  /** Told when the broker has ended the consumer, before it is started anew. */
  readonly onCancelled: () => void;
  /** Told that dropped requests do not come back to their callers, and why. */
  readonly onNoReturns: (reason: unknown) => void;
}

/** Changes are gathered for so long: a worker that dies is replaced sooner. */
const ADJUST_MS = 100;

/**
 * The prefetch holds for a consumer as long as that lives, so a new one needs a new consumer; what is
 * in hand then does not count for that one. Hence small differences are let be.
 */
const LOWER_AT = 0.5;
const RAISE_AT = 1.25;

/** The consumer of a request queue. */
export class Intake {
  readonly #connection: AmqpConnection;
  readonly #channel: AmqpChannel;
  readonly #options: IntakeOptions;
  #consumerTag: string | undefined;
  #prefetch = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Changes happen one after the other. */
  #change: Promise<void> = Promise.resolve();
  #isStopped = false;

  private constructor(connection: AmqpConnection, channel: AmqpChannel, options: IntakeOptions) {
    this.#connection = connection;
    this.#channel = channel;
    this.#options = options;
    channel.closed.then(() => this.#stopTimer());
  }

  /**
   * Declares the request queue and consumes it.
   *
   * @throws {RpcError} `misconfigured` or `access-refused`.
   */
  static async start(
    connection: AmqpConnection,
    channel: AmqpChannel,
    options: IntakeOptions,
  ): Promise<Intake> {
    const intake = new Intake(connection, channel, options);
    await intake.#declare();
    await intake.#consume(options.prefetch());
    return intake;
  }

  /** Whether the broker is asked for requests at the moment. */
  get isConsuming(): boolean {
    return this.#consumerTag !== undefined;
  }

  /** Says that there may be another prefetch now. */
  adjust(): void {
    if (this.#isStopped || !this.#channel.isOpen) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#enqueue(() => this.#follow());
    }, ADJUST_MS);
  }

  /** Takes nothing more; what is in hand can still be settled. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stopTimer();
    await this.#change;
    await this.#cancel();
  }

  /** Whatever fails starts the whole session anew, after a pause. */
  #enqueue(change: () => Promise<void>): void {
    this.#change = this.#change.then(change).catch(() => this.#channel.close());
  }

  async #follow(): Promise<void> {
    const wanted = this.#options.prefetch();
    if (this.#isStopped) return;
    if (wanted > this.#prefetch * LOWER_AT && wanted < this.#prefetch * RAISE_AT) return;
    if (wanted === this.#prefetch) return;
    await this.#cancel();
    await this.#consume(wanted);
  }

  async #declare(): Promise<void> {
    const { queue, returns, durability, onNoReturns } = this.#options;
    const { hasReturns } = await declareRequestQueue(this.#connection, this.#options);
    if (!returns || hasReturns || durability === "transient") return;
    onNoReturns(
      new Error(
        `Cannot have expired requests of queue "${queue}" back as it exists without ` +
          '"x-dead-letter-exchange"',
      ),
    );
  }

  async #consume(prefetch: number): Promise<void> {
    this.#prefetch = prefetch;
    if (prefetch === 0 || this.#isStopped) return;
    const { queue, onDelivery } = this.#options;
    await this.#channel.prefetch(prefetch);
    this.#consumerTag = await this.#channel.consume(queue, { noAck: false }, (delivery) => {
      if (delivery === undefined) this.#enqueue(() => this.#onCancelled());
      else onDelivery(delivery);
    });
  }

  async #cancel(): Promise<void> {
    const tag = this.#consumerTag;
    this.#consumerTag = undefined;
    if (tag !== undefined) await this.#channel.cancel(tag);
  }

  /** The queue is gone, or its leader is. */
  async #onCancelled(): Promise<void> {
    this.#consumerTag = undefined;
    if (this.#isStopped) return;
    this.#options.onCancelled();
    await this.#declare();
    await this.#consume(this.#options.prefetch());
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
