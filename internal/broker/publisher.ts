/**
 * Publishes with confirms: tells what became of each message, and keeps the number of unconfirmed
 * ones bounded.
 *
 * @module
 */

import type { AmqpChannel, AmqpConfirm, AmqpPublish, AmqpReturn } from "./amqp.ts";
import { amqpCodeOf, readMaxBodyBytes } from "./amqp_error.ts";
import { type BodyLimits, fits } from "./body_limits.ts";
import { ConfirmWatch } from "./confirm_watch.ts";
import { sleep } from "../time.ts";

/**
 * What became of a message.
 *
 * - `confirmed`: the broker has it in its queue.
 * - `returned`: there is no such queue.
 * - `nacked`: the broker did not take it, for example because the queue is full.
 * - `stranded`: the broker did not take it, and has taken nothing yet on that channel: another one may
 *   do better.
 * - `too-large`: its body has more bytes than the user or the broker allows; it is not to be sent again.
 * - `suspect`: the broker closed its channel for an error, before it was confirmed: for it or another.
 * - `unknown`: its channel closed after it was sent and before it was confirmed.
 * - `unsent`: it was not sent, because the channel closed or nobody wanted it any more.
 */
export type PublishOutcome =
  | "confirmed"
  | "returned"
  | "nacked"
  | "stranded"
  | "too-large"
  | "suspect"
  | "unknown"
  | "unsent";

/** The part of a connection that publishing takes. */
export interface ChannelSource {
  /** Whether the broker does not read from publishers at the moment. */
  readonly isBlocked: boolean;
  openChannel(): Promise<AmqpChannel>;
  /** Ends the connection at once. */
  destroy(reason: Error): void;
}

/** Options of {@linkcode Publisher.open}. */
export interface PublisherOptions {
  /** Longest time without a confirm while some are due, in milliseconds. */
  readonly confirmTimeoutMs: number;
  /** What is learned of the broker's limit is noted there. */
  readonly limits: BodyLimits;
}

/**
 * Most messages that are published and not confirmed. More do not make it faster, and amqplib's
 * book-keeping takes a time that grows with their square.
 */
const MAX_UNCONFIRMED = 500;

/** Pause before a channel is replaced: one that is opened before the new leader is no better. */
const RENEW_PAUSE_MS = 50;

/** A channel and what the broker makes of it. */
interface Lane {
  readonly channel: AmqpChannel;
  unconfirmed: number;
  /** Whether the broker has taken a message of this channel. */
  isProven: boolean;
  /** How many messages came after the one for which the broker has closed it; none if it has not. */
  unread: number | undefined;
}

/**
 * Publishes for as long as its connection lives, whatever the bodies.
 *
 * A broker that refuses a body for its size closes the channel. That message is told so, those before
 * it may have arrived, those after it were not read and are sent on the next channel. So that none is
 * before it, a body that may be refused waits until all messages are confirmed.
 *
 * A channel that was opened while a quorum queue had no leader has all its messages nacked for as
 * long as the lost node is away, so one that has not had any message confirmed is replaced.
 */
export class Publisher {
  /** Settles when the publisher is over; with the error, if there was one. */
  readonly closed: Promise<Error | undefined>;
  readonly #connection: ChannelSource;
  readonly #limits: BodyLimits;
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly #closing = new AbortController();
  readonly #watch: ConfirmWatch;
  /** Messages that wait for room: each submits itself again. */
  readonly #waiting: (() => void)[] = [];
  /** How many messages were returned and are not confirmed yet, by {@linkcode returnKey}. */
  readonly #returned = new Map<string, number>();
  #lane: Lane;
  #unconfirmed = 0;
  /**
   * While its channel is replaced, whatever is published waits; and while a message is held, until all
   * before it are confirmed.
   */
  #state: "open" | "holding" | "renewing" | "over" = "open";

  private constructor(
    connection: ChannelSource,
    channel: AmqpChannel,
    { confirmTimeoutMs, limits }: PublisherOptions,
  ) {
    this.closed = this.#closed.promise;
    this.#connection = connection;
    this.#limits = limits;
    this.#lane = this.#takeOver(channel);
    this.#watch = new ConfirmWatch({
      limitMs: confirmTimeoutMs,
      isWaiting: () => this.#unconfirmed > 0,
      isBlocked: () => connection.isBlocked,
      onSilence: () => connection.destroy(silenceError(confirmTimeoutMs)),
    });
  }

  /**
   * Opens a channel to publish on.
   *
   * @param connection Where; it is ended if the broker does not confirm any more.
   * @param options How long it waits, and how large bodies may be.
   */
  static async open(connection: ChannelSource, options: PublisherOptions): Promise<Publisher> {
    return new Publisher(connection, await connection.openChannel(), options);
  }

  /** Whether it can still be used. */
  get isOpen(): boolean {
    return this.#state === "renewing" || (this.#state !== "over" && this.#lane.channel.isOpen);
  }

  /**
   * Publishes a message as soon as there is room for it.
   *
   * @param prepare Builds the message at the last moment, or declines by returning `undefined`.
   * @returns What became of it.
   * @throws {TypeError} If a property or header does not fit into AMQP.
   */
  publish(prepare: () => AmqpPublish | undefined): Promise<PublishOutcome> {
    return new Promise((resolve, reject) => this.submit(prepare, resolve, reject));
  }

  /**
   * Publishes as {@linkcode Publisher.publish} does, without a promise: for requests, which are many
   * and have one of their own.
   *
   * @param prepare Builds the message at the last moment, or declines by returning `undefined`.
   * @param settle Told what became of it, inside amqplib's callback or before this returns.
   * @param fail Told instead why the message does not fit into AMQP.
   */
  submit(
    prepare: () => AmqpPublish | undefined,
    settle: (outcome: PublishOutcome) => void,
    fail: (error: unknown) => void,
  ): void {
    if (!this.isOpen) return settle("unsent");
    if (!this.#hasRoom) {
      this.#waiting.push(() => this.submit(prepare, settle, fail));
      return;
    }
    const lane = this.#lane;
    try {
      const message = prepare();
      if (message === undefined) return settle("unsent");
      if (!this.#limits.admits(message)) return settle("too-large");
      if (lane.unconfirmed > 0 && this.#limits.isUnproven(message.body)) {
        this.#state = "holding";
        this.#waiting.unshift(() => this.submit(() => message, settle, fail));
        return;
      }
      lane.channel.publish(message, (confirm) => {
        const outcome = this.#conclude(lane, message, confirm);
        if (outcome !== "unsent") settle(outcome);
        // In front of what waits already, in the order in which it was sent.
        else this.#waiting.splice(takePlace(lane), 0, () => this.submit(prepare, settle, fail));
        this.#onConfirm(lane, confirm);
      });
      lane.unconfirmed++;
      if (this.#unconfirmed++ === 0) this.#watch.restart();
    } catch (error) {
      if (lane.channel.isOpen) fail(error);
      else settle("unsent");
    }
  }

  /** Closes the channel after everything it has to send has been sent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#lane.channel.close();
    this.#end(undefined);
  }

  get #hasRoom(): boolean {
    if (this.#state === "renewing" || this.#state === "holding") return false;
    return this.#unconfirmed < MAX_UNCONFIRMED;
  }

  #takeOver(channel: AmqpChannel): Lane {
    const lane: Lane = { channel, unconfirmed: 0, isProven: false, unread: undefined };
    channel.onReturn = (returned) => this.#markReturned(returned);
    channel.closed.then((error) => {
      if (lane !== this.#lane) return;
      if (readMaxBodyBytes(error) === undefined) this.#end(error);
      else this.#startRenewal(0);
    });
    return lane;
  }

  #conclude(lane: Lane, message: AmqpPublish, confirm: AmqpConfirm): PublishOutcome {
    if (confirm === "closed" && lane === this.#lane) this.#onClosed(lane);
    if (this.#takeReturn(message)) return "returned";
    switch (confirm) {
      case "acked":
        // Not one that came back, which no queue has taken.
        lane.isProven = true;
        this.#limits.onTaken(message.body);
        return "confirmed";
      case "nacked":
        return lane.isProven ? "nacked" : "stranded";
      case "closed":
        return this.#blame(lane, message);
    }
  }

  /** amqplib tells each message that its channel has closed before it tells us. */
  #onClosed({ channel }: Lane): void {
    if (readMaxBodyBytes(channel.failure) === undefined) this.#state = "over";
    else this.#startRenewal(0);
  }

  /** Whether it was this message, one before or one after it for which the broker closed the channel. */
  #blame(lane: Lane, { body }: AmqpPublish): PublishOutcome {
    const { failure } = lane.channel;
    const maxBytes = readMaxBodyBytes(failure);
    if (maxBytes === undefined) return amqpCodeOf(failure) === undefined ? "unknown" : "suspect";
    // The broker reads the messages of a channel in order.
    if (lane.unread !== undefined) return "unsent";
    if (fits(body, maxBytes)) return "unknown";
    this.#limits.learn(maxBytes);
    lane.unread = 0;
    return "too-large";
  }

  #onConfirm(lane: Lane, confirm: AmqpConfirm): void {
    lane.unconfirmed--;
    this.#unconfirmed--;
    if (this.#state !== "over") this.#watch.restart();
    if (confirm === "nacked" && !lane.isProven && lane === this.#lane) {
      this.#startRenewal(RENEW_PAUSE_MS);
    }
    if (this.#state === "holding" && this.#lane.unconfirmed === 0) this.#state = "open";
    this.#closeIfDone(lane);
    this.#sendWaiting();
  }

  /** Replaces the channel. */
  #startRenewal(pauseMs: number): void {
    if (this.#state === "renewing" || this.#state === "over") return;
    this.#state = "renewing";
    this.#renew(pauseMs).catch((error) => this.#end(error)).finally(() => {
      if (this.#state === "renewing") this.#state = "open";
      this.#sendWaiting();
    });
  }

  async #renew(pauseMs: number): Promise<void> {
    await sleep(pauseMs, this.#closing.signal);
    const { signal } = this.#closing;
    if (!this.isOpen || signal.aborted) return;
    const channel = await this.#connection.openChannel();
    if (!this.isOpen || signal.aborted) return await channel.close();
    const old = this.#lane;
    this.#lane = this.#takeOver(channel);
    this.#closeIfDone(old);
  }

  /** Closes a channel that was replaced once the broker owes it nothing more. */
  #closeIfDone(lane: Lane): void {
    // close() never rejects.
    if (lane !== this.#lane && lane.unconfirmed === 0) void lane.channel.close();
  }

  /** The broker returns a message before it confirms it, and gives no delivery tag. */
  #markReturned(returned: AmqpReturn): void {
    const key = returnKey(returned);
    this.#returned.set(key, (this.#returned.get(key) ?? 0) + 1);
  }

  #takeReturn(message: AmqpPublish): boolean {
    if (this.#returned.size === 0) return false;
    const key = returnKey(message);
    const returns = this.#returned.get(key) ?? 0;
    if (returns <= 1) this.#returned.delete(key);
    else this.#returned.set(key, returns - 1);
    return returns > 0;
  }

  #sendWaiting(): void {
    while (this.#hasRoom) {
      const submit = this.#waiting.shift();
      if (submit === undefined) return;
      submit();
    }
  }

  #end(error: Error | undefined): void {
    this.#state = "over";
    this.#watch.stop();
    for (const submit of this.#waiting.splice(0)) submit();
    this.#closed.resolve(error);
  }
}

/** Where a message that was not read waits, among those that wait for the next channel. */
function takePlace(lane: Lane): number {
  const place = lane.unread ?? 0;
  lane.unread = place + 1;
  return place;
}

/** Two messages with the same routing key and correlation id share their fate, so they may share a key. */
function returnKey({ routingKey, properties }: AmqpReturn): string {
  return `${routingKey}\n${properties.correlationId ?? ""}`;
}

function silenceError(limitMs: number): Error {
  return new Error(`Cannot go on with the broker as it has confirmed nothing for ${limitMs} ms`);
}
