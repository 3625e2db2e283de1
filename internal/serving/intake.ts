/** Takes requests from the queue: as many as the handlers can take, and none while they cannot. @module */

import type { AmqpChannel, AmqpDelivery, AmqpLink } from "../broker/amqp.ts";
import { amqpCodeOf } from "../broker/amqp_error.ts";
import { declareRequestQueue, missingError, type RequestQueue } from "../protocol/request_queue.ts";
import type { ReturnsPath } from "../protocol/topology.ts";
import { toShortText } from "../text.ts";
import { MAX_TIMEOUT_MS } from "../time.ts";
import { IntakeWatch, type StallReason } from "./intake_watch.ts";

/** Takes requests over, and settles them. */
export interface RequestTaker {
  /** Whether no request is in hand. */
  readonly isIdle: boolean;
  /** Takes a request over. Never rejects. */
  accept(delivery: AmqpDelivery): Promise<void>;
}

/** Options of {@linkcode Intake.start}. */
export interface IntakeOptions extends RequestQueue {
  readonly requests: RequestTaker;
  /** Tells how many requests the server should have in hand at the moment. */
  readonly prefetch: () => number;
  /** Which of several servers is given requests first; absent means 0. */
  readonly consumerPriority: number | undefined;
  /** The longest that a request runs, in milliseconds; absent without a limit. */
  readonly timeLimitMs: number | undefined;
  /** Told when the broker has ended the consumer, before it is started anew. */
  readonly onCancelled: () => void;
  /** Told that dropped requests do not come back to their callers, and why. */
  readonly onNoReturns: (reason: unknown) => void;
  /** Who the consumer is, for people who look at the queue. */
  readonly consumerName: string;
  /** Told that the queue is declared, and what becomes of what it drops, if that is known. */
  readonly onDeclared: (returns: ReturnsPath | undefined) => Promise<void>;
}

type State =
  | { readonly name: "idle" }
  | { readonly name: "consuming"; readonly consumerTag: string }
  | { readonly name: "stopped" };

/** Changes are gathered for so long: a worker that dies is replaced sooner. */
const ADJUST_MS = 100;

/**
 * The prefetch holds for a consumer as long as that lives, so a new one needs a new consumer; what is
 * in hand then does not count for that one. Hence small differences are ignored.
 */
const LOWER_AT = 0.5;
const RAISE_AT = 1.25;

/** RabbitMQ's own `consumer_timeout`, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 1_800_000;

/**
 * How long a server may have a request in hand before the broker takes it back, in milliseconds: no
 * shorter than by default, and long enough for all requests in hand one after the other.
 *
 * @param timeLimitMs The longest that one runs; `undefined` without a limit.
 * @param prefetch How many there are.
 */
export function intakeTimeoutMs(timeLimitMs: number | undefined, prefetch: number): number {
  if (timeLimitMs === undefined) return MAX_TIMEOUT_MS;
  return Math.min(MAX_TIMEOUT_MS, Math.max(DEFAULT_TIMEOUT_MS, timeLimitMs * prefetch));
}

/** The consumer of a request queue. */
export class Intake {
  readonly #connection: AmqpLink;
  readonly #channel: AmqpChannel;
  readonly #options: IntakeOptions;
  readonly #watch: IntakeWatch;
  #state: State = { name: "idle" };
  #hasReturns: boolean | undefined;
  #prefetch = 0;
  #deliveries = 0;
  #consumers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Changes happen one after the other. */
  #change: Promise<void> = Promise.resolve();

  private constructor(connection: AmqpLink, channel: AmqpChannel, options: IntakeOptions) {
    this.#connection = connection;
    this.#channel = channel;
    this.#options = options;
    this.#watch = new IntakeWatch({
      isIdle: () => this.#state.name === "consuming" && options.requests.isIdle,
      countDeliveries: () => this.#deliveries,
      countWaiting: () => connection.onOwnChannel((channel) => channel.checkQueue(options.queue)),
      isBlocked: () => connection.isBlocked,
      onStall: (reason) => connection.destroy(stalled(options.queue, reason)),
    });
    channel.closed.then(() => this.#stopTimers());
  }

  /**
   * Declares the request queue and consumes it.
   *
   * @throws {RpcError} `misconfigured` or `access-refused`.
   */
  static async start(
    connection: AmqpLink,
    channel: AmqpChannel,
    options: IntakeOptions,
  ): Promise<Intake> {
    const intake = new Intake(connection, channel, options);
    await intake.#declare();
    try {
      await intake.#consume(options.prefetch());
    } catch (error) {
      // Who may not look whether it is there finds out here.
      throw amqpCodeOf(error) === 404 ? missingError(options.queue, options, error) : error;
    }
    // Others may have declared that only one consumer gets requests, and the rest wait for its end.
    if (options.durability !== "existing") void intake.#watch.start();
    return intake;
  }

  /** Whether what the queue drops comes back; `undefined` if that is not known, or not meant to. */
  get hasReturns(): boolean | undefined {
    return this.#hasReturns;
  }

  /** How many requests the server has in hand at most. */
  get prefetch(): number {
    return this.#prefetch;
  }

  /** Says that there may be another prefetch now. */
  adjust(): void {
    if (this.#state.name === "stopped" || !this.#channel.isOpen) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#enqueue(() => this.#follow());
    }, ADJUST_MS);
  }

  /** Takes nothing more; what is in hand can still be settled. */
  async stop(): Promise<void> {
    const state = this.#state;
    this.#state = { name: "stopped" };
    this.#stopTimers();
    await this.#change;
    if (state.name === "consuming") await this.#channel.cancel(state.consumerTag);
  }

  /** Whatever fails starts the whole session anew, after a pause. */
  #enqueue(change: () => Promise<void>): void {
    this.#change = this.#change.then(change).catch(() => this.#channel.close());
  }

  async #follow(): Promise<void> {
    const wanted = this.#options.prefetch();
    if (this.#isStopped()) return;
    if (wanted > this.#prefetch * LOWER_AT && wanted < this.#prefetch * RAISE_AT) return;
    if (wanted === this.#prefetch) return;
    await this.#pause();
    await this.#consume(wanted);
  }

  async #declare(): Promise<void> {
    const { queue, returns, durability, onNoReturns, onDeclared } = this.#options;
    const path = await declareRequestQueue(this.#connection, this.#options);
    await onDeclared(path);
    if (!returns || path === undefined || durability === "transient") return;
    this.#hasReturns = path !== "none";
    if (this.#hasReturns) return;
    onNoReturns(
      new Error(
        `Cannot have expired requests of queue "${queue}" back as it exists without ` +
          '"x-dead-letter-exchange"',
      ),
    );
  }

  async #consume(prefetch: number): Promise<void> {
    this.#prefetch = prefetch;
    if (prefetch === 0 || this.#isStopped()) return;
    const { queue, requests } = this.#options;
    await this.#channel.prefetch(prefetch);
    const options = {
      noAck: false,
      consumerTag: this.#consumerTag(),
      arguments: this.#arguments(prefetch),
    };
    const consumerTag = await this.#channel.consume(queue, options, (delivery) => {
      if (delivery === undefined) return this.#enqueue(() => this.#onCancelled());
      this.#deliveries++;
      void requests.accept(delivery);
    });
    if (this.#isStopped()) await this.#channel.cancel(consumerTag);
    else this.#state = { name: "consuming", consumerTag };
  }

  /** Unlike the name, each is used once. */
  #consumerTag(): string {
    return toShortText(`#${++this.#consumers} ${this.#options.consumerName}`) ?? "";
  }

  /** Of the consumer: as arguments of the queue, they would split servers of different ages. */
  #arguments(prefetch: number): Record<string, number> {
    const { consumerPriority, durability, timeLimitMs } = this.#options;
    const { hasConsumerTimeouts } = this.#connection.features;
    return {
      ...consumerPriority !== undefined && { "x-priority": consumerPriority },
      // A queue that others have declared may be of another type, whose consumers are refused for it.
      ...hasConsumerTimeouts && durability === "replicated" &&
        { "x-consumer-timeout": intakeTimeoutMs(timeLimitMs, prefetch) },
    };
  }

  async #pause(): Promise<void> {
    const state = this.#state;
    if (state.name !== "consuming") return;
    this.#state = { name: "idle" };
    await this.#channel.cancel(state.consumerTag);
  }

  /** The queue is gone, or its leader is. */
  async #onCancelled(): Promise<void> {
    if (this.#isStopped()) return;
    this.#state = { name: "idle" };
    this.#options.onCancelled();
    await this.#declare();
    await this.#consume(this.#options.prefetch());
  }

  #isStopped(): boolean {
    return this.#state.name === "stopped";
  }

  #stopTimers(): void {
    this.#watch.stop();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function stalled(queue: string, reason: StallReason): Error {
  const what = reason === "unanswered"
    ? "does not answer how many requests wait"
    : "delivers none of the requests that wait";
  return new Error(`Cannot go on with the broker as it ${what}: queue "${queue}"`);
}
