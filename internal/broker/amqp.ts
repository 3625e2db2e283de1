/**
 * The only place that touches amqplib: connections and channels with promises that always settle,
 * events that cannot kill the process, and types that are ours.
 *
 * @module
 */

import {
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type Message,
} from "../../deps/amqplib.ts";
import { abortable, waitAtMost, withTimeout } from "../time.ts";
import { explainLoss } from "./amqp_error.ts";
import type { AmqpProperties, AmqpPublish } from "./amqp_publish.ts";
import type { BrokerAddress } from "./broker_address.ts";
import { type BrokerFeatures, brokerFeaturesOf } from "./broker_features.ts";
import { UnsettledTags } from "./frames/frame_writer.ts";
import { HeaderFrame } from "./frames/header_frame.ts";
import { HandshakeWatch } from "./handshake_watch.ts";
import { frameMaxOf, patchAmqplibInside, publishOn } from "./amqplib_inside.ts";

export type { AmqpProperties, AmqpPublish };

/** What the broker says of a published message; `closed` if the channel closed first. */
export type AmqpConfirm = "acked" | "nacked" | "closed";

/** A message as it was returned. */
export interface AmqpReturn {
  readonly routingKey: string;
  readonly properties: AmqpProperties;
}

/** A message as it was delivered, and the duty to settle it: once, on the channel that delivered it. */
export class AmqpDelivery {
  readonly properties: AmqpProperties;
  /** A view into memory that is shared with other messages: copy to keep or to transfer. */
  readonly body: Uint8Array;
  /** The exchange that the message was published to, as the broker says it. */
  readonly exchange: string;
  readonly #channel: Settler;
  readonly #message: Message;
  #isSettled = false;

  constructor(channel: Settler, message: Message) {
    // amqplib's decoder yields these types or fails; its declarations say `any`.
    this.properties = message.properties as AmqpProperties;
    this.body = message.content;
    this.exchange = message.fields.exchange;
    this.#channel = channel;
    this.#message = message;
  }

  /**
   * How often the message was delivered before, as far as the broker tells: quorum queues count in
   * `x-delivery-count`; classic queues only say that it was not the first time. Where it was, the
   * count is its publisher's, or that of a queue that it was moved from.
   */
  get redeliveries(): number {
    if (!this.#message.fields.redelivered) return 0;
    const count = this.properties.headers?.["x-delivery-count"];
    return typeof count === "number" && count > 0 ? count : 1;
  }

  /** Tells the broker that the message is dealt with. */
  ack(): void {
    this.#settle();
    this.#channel.ack(this.#message);
  }

  /** Gives the message back to its queue, as a failed attempt. */
  requeue(): void {
    this.#settle();
    this.#channel.requeue(this.#message);
  }

  /** Gives the message back to its queue untried. */
  giveBack(): void {
    this.#settle();
    this.#channel.giveBack(this.#message);
  }

  /** Makes what the message consists of a delivery of its own, which others settle. */
  part(
    settler: Settler,
    { properties, body }: Pick<AmqpDelivery, "properties" | "body">,
  ): AmqpDelivery {
    // amqplib's own message has more, which nobody reads.
    const message: unknown = { fields: this.#message.fields, properties, content: body };
    return new AmqpDelivery(settler, message as Message);
  }

  /** Whether its channel is gone, and with it the message: the broker delivers it again. */
  get isLost(): boolean {
    return !this.#channel.isOpen;
  }

  /** A second settling would close the channel, or settle another delivery. */
  #settle(): void {
    if (this.#isSettled) throw new Error("Cannot settle a delivery twice: it is already settled");
    this.#isSettled = true;
  }
}

/** The part of a channel that settles its deliveries. */
export type Settler = Pick<AmqpChannel, "ack" | "requeue" | "giveBack" | "isOpen">;

/** What is consumed without acknowledgement is settled by its delivery. */
const SETTLED: Settler = { ack() {}, requeue() {}, giveBack() {}, isOpen: true };

/** Arguments of `queue.declare`. */
export interface AmqpQueueOptions {
  readonly durable?: boolean;
  readonly exclusive?: boolean;
  readonly autoDelete?: boolean;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** Arguments of `queue.bind`: by a routing key, or by headers. */
export interface AmqpBinding {
  readonly routingKey?: string;
  readonly arguments?: Readonly<Record<string, string>>;
}

/** Options of {@linkcode AmqpConnection.open}. */
export interface AmqpConnectionOptions {
  /** Longest time that connecting may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Heartbeat interval, in whole seconds. */
  readonly heartbeatSeconds: number;
  /** What the management interface shows. */
  readonly connectionName: string;
  /** What else it shows. */
  readonly clientProperties: Readonly<Record<string, string>>;
  /** Ends the attempt and its socket; not what is connected. */
  readonly signal?: AbortSignal | undefined;
}

/** The longest wait for a close, in milliseconds, which never settles if the peer vanishes. */
const CLOSE_TIMEOUT_MS = 2_000;

/** One TCP connection to the broker. */
export class AmqpConnection {
  /** Settles when the connection is gone; with the error, if there was one. */
  readonly closed: Promise<Error | undefined>;
  /** What the broker at its other end can do. */
  readonly features: BrokerFeatures;
  /** Called when the broker stops reading from publishers, with its reason. */
  onBlocked: (reason: string) => void = () => {};
  /** Called when the broker reads from publishers again. */
  onUnblocked: () => void = () => {};
  readonly #model: ChannelModel;
  /** Aborting it destroys the socket, in whatever state, without the closing handshake. */
  readonly #socket: AbortController;
  #blockedReason: string | undefined;

  private constructor(model: ChannelModel, socket: AbortController) {
    this.#model = model;
    this.#socket = socket;
    this.closed = whenClosed(model);
    this.features = brokerFeaturesOf({ ...model.connection.serverProperties });
    model.on("blocked", (reason) => {
      this.#blockedReason = reason;
      this.onBlocked(reason);
    });
    model.on("unblocked", () => {
      this.#blockedReason = undefined;
      this.onUnblocked();
    });
  }

  /** Whether the broker does not read from publishers at the moment. */
  get isBlocked(): boolean {
    return this.#blockedReason !== undefined;
  }

  /** Why it does not, if so. */
  get blockedReason(): string | undefined {
    return this.#blockedReason;
  }

  /** The largest frame that both sides take, in bytes; 0 without a limit. */
  get maxFrameBytes(): number {
    return frameMaxOf({ connection: this.#model.connection });
  }

  /**
   * Connects.
   *
   * @throws {AmqplibInsideError} If amqplib is not the version that this was written for.
   * @throws What amqplib or Deno says of a failed attempt.
   */
  static async open(
    address: BrokerAddress,
    options: AmqpConnectionOptions,
  ): Promise<AmqpConnection> {
    const socket = new AbortController();
    const abort = () => socket.abort(options.signal?.reason);
    options.signal?.addEventListener("abort", abort);
    const model = await withTimeout(options.connectTimeoutMs, (timeout) => {
      timeout.addEventListener("abort", () => socket.abort(timeout.reason));
      return abortable(openModel(address, options, socket.signal), options.signal);
    }).finally(() => options.signal?.removeEventListener("abort", abort));
    const connection = new AmqpConnection(model, socket);
    try {
      patchAmqplibInside(model.connection);
    } catch (error) {
      socket.abort(error);
      throw error;
    }
    return connection;
  }

  async openChannel(): Promise<AmqpChannel> {
    return new AmqpChannel(await this.#model.createConfirmChannel());
  }

  /** Does something on a channel of its own, as a refusal of the broker closes the channel. */
  async onOwnChannel<Result>(work: (channel: AmqpChannel) => Promise<Result>): Promise<Result> {
    const channel = await this.openChannel();
    return await work(channel).finally(() => channel.close());
  }

  /** Closes the connection; channels that are not closed yet lose what they have not sent. */
  async close(): Promise<void> {
    await settleClose(() => this.#model.close(), this.closed);
    // A peer that is gone does not close its end, which would keep this process alive.
    this.destroy(new Error("Cannot close the connection in order as the broker does not answer"));
  }

  /** Tells the broker the secret that takes the place of the one that was logged in with. */
  async updateSecret(secret: string): Promise<void> {
    await this.#model.updateSecret(Buffer.from(secret), "renewed before it expires");
  }

  /** Why the connection has ended, if it has, and if anybody said so. */
  endReason(): Promise<Error | undefined> {
    return Promise.race([this.closed, Promise.resolve(undefined)]);
  }

  /** Ends the connection at once, as its peer does not react any more. */
  destroy(reason: Error): void {
    this.#socket.abort(reason);
  }
}

/** What a session uses of a connection: one of its own, or a share of one. */
export type AmqpLink = Pick<AmqpConnection, Exclude<keyof AmqpConnection, "updateSecret">>;

/** A channel in confirm mode. */
export class AmqpChannel {
  /** Settles when the channel is gone; with the error, if there was one. */
  readonly closed: Promise<Error | undefined>;
  /** Called for a mandatory message that no queue took; comes before that message's confirm. */
  onReturn: (returned: AmqpReturn) => void = () => {};
  #isOpen = true;
  /**
   * Why the broker has closed the channel, if it has said so. Unlike {@linkcode closed} it is known when
   * unconfirmed messages are told that the channel has closed.
   */
  failure: Error | undefined;
  readonly #channel: ConfirmChannel;
  readonly #frame: HeaderFrame | undefined;
  /** Absent once a message was taken out by `get()`, which comes later than what is consumed after it. */
  #unsettled: UnsettledTags | undefined = new UnsettledTags();

  constructor(channel: ConfirmChannel) {
    this.#channel = channel;
    this.#frame = HeaderFrame.of(frameMaxOf(channel));
    this.closed = whenClosed(channel);
    channel.on("error", (error: Error) => this.failure ??= error);
    channel.on("close", () => this.#isOpen = false);
    channel.on("return", (message: Message) => {
      this.onReturn({
        routingKey: message.fields.routingKey,
        properties: message.properties as AmqpProperties,
      });
    });
  }

  /** Whether the channel can still be used. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Publishes a message.
   *
   * @param onConfirm Called once, with the broker's answer.
   * @throws {RangeError} If the properties do not fit into a frame.
   * @throws If the channel is closed, or a property does not fit into its AMQP type.
   */
  publish(message: AmqpPublish, onConfirm: (confirm: AmqpConfirm) => void): void {
    this.#frame?.check(message.properties);
    publishOn(this.#channel, message, (error) => onConfirm(toConfirm(error)));
  }

  /**
   * Consumes a queue.
   *
   * @param onDelivery Called for each delivery, and with `undefined` when the broker has cancelled
   * the consumer, for example because the queue was deleted.
   * @returns The consumer tag.
   */
  async consume(
    queue: string,
    options:
      & { readonly noAck: boolean; readonly consumerTag?: string }
      & Pick<AmqpQueueOptions, "exclusive" | "arguments">,
    onDelivery: (delivery: AmqpDelivery | undefined) => void,
  ): Promise<string> {
    const settler = options.noAck ? SETTLED : this;
    const { consumerTag } = await this.#channel.consume(queue, (message) => {
      if (message === null) return onDelivery(undefined);
      if (!options.noAck) this.#unsettled?.add(message.fields.deliveryTag);
      onDelivery(new AmqpDelivery(settler, message));
    }, options);
    return consumerTag;
  }

  async cancel(consumerTag: string): Promise<void> {
    await this.#channel.cancel(consumerTag);
  }

  async prefetch(count: number): Promise<void> {
    await this.#channel.prefetch(count);
  }

  /** Declares a queue; an empty name lets the broker choose one. Returns its name. */
  async declareQueue(name: string, options: AmqpQueueOptions): Promise<string> {
    const { queue } = await this.#channel.assertQueue(name, options);
    return queue;
  }

  /** Declares a durable exchange. */
  async declareExchange(name: string, type: "direct" | "fanout" | "headers"): Promise<void> {
    await this.#channel.assertExchange(name, type, { durable: true });
  }

  /** Binds a queue to an exchange. */
  async bindQueue(queue: string, exchange: string, binding: AmqpBinding): Promise<void> {
    const { routingKey = "", arguments: args = {} } = binding;
    await this.#channel.bindQueue(queue, exchange, routingKey, args);
  }

  /**
   * Counts the messages of a queue that wait for a consumer. Fails, and closes the channel, if there
   * is no such queue.
   */
  async checkQueue(name: string): Promise<number> {
    const { messageCount } = await this.#channel.checkQueue(name);
    return messageCount;
  }

  /** Counts the consumers of a queue. Fails, and closes the channel, if there is no such queue. */
  async countConsumers(name: string): Promise<number> {
    return (await this.#channel.checkQueue(name)).consumerCount;
  }

  /** Checks that there is such an exchange. Fails, and closes the channel, if there is not. */
  async checkExchange(name: string): Promise<void> {
    await this.#channel.checkExchange(name);
  }

  /** Takes the first message out of a queue, to be acknowledged; `undefined` if there is none. */
  async get(queue: string): Promise<AmqpDelivery | undefined> {
    this.#unsettled = undefined;
    const message = await this.#channel.get(queue, { noAck: false });
    return message === false ? undefined : new AmqpDelivery(this, message);
  }

  /**
   * Acknowledges a message that it delivered. Does nothing if the channel is gone.
   *
   * If all before it are settled it says so, and then those of one turn are one frame: each would cost
   * the broker a message to the queue.
   */
  ack(message: Message): void {
    const isRun = this.#settle(message);
    if (this.#isOpen) this.#channel.ack(message, isRun);
  }

  /**
   * Gives a message that it delivered back to its queue, as a failed attempt: from RabbitMQ 4.3 on,
   * a `basic.reject` counts towards the delivery limit and a `basic.nack` does not. Does nothing if
   * the channel is gone.
   */
  requeue(message: Message): void {
    this.#settle(message);
    if (this.#isOpen) this.#channel.reject(message, true);
  }

  /**
   * Gives a message that it delivered back to its queue in the way that counts least: 4.0 to 4.2 count
   * whatever comes back. Does nothing if the channel is gone.
   */
  giveBack(message: Message): void {
    this.#settle(message);
    if (this.#isOpen) this.#channel.nack(message, false, true);
  }

  /** Tells whether all that was delivered before is settled, too. */
  #settle({ fields: { deliveryTag } }: Message): boolean {
    return this.#unsettled?.settle(deliveryTag) ?? false;
  }

  /** Closes the channel after everything it has to send has been sent. */
  close(): Promise<void> {
    return settleClose(() => this.#channel.close(), this.closed);
  }
}

function openModel(
  { vhost, tls, ...endpoint }: BrokerAddress,
  { heartbeatSeconds, ...options }: AmqpConnectionOptions,
  signal: AbortSignal,
): Promise<ChannelModel> {
  const socketOptions = {
    // Nagle's algorithm against delayed acknowledgements costs 40 ms per call.
    noDelay: true,
    ...tls,
    // Said here, as NODE_TLS_REJECT_UNAUTHORIZED would turn the check off otherwise.
    rejectUnauthorized: true,
    signal,
    clientProperties: { ...options.clientProperties, connection_name: options.connectionName },
  };
  // amqplib decodes it once more.
  const place = { ...endpoint, vhost: encodeURIComponent(vhost), heartbeat: heartbeatSeconds };
  return HandshakeWatch.watch(() => connect(place, socketOptions));
}

/** amqplib tells a nack from a closed channel by the message only. */
function toConfirm(error: unknown): AmqpConfirm {
  if (!(error instanceof Error)) return "acked";
  return error.message === "message nacked" ? "nacked" : "closed";
}

/** `close` always comes, `error` only sometimes before it; without listeners they would throw. */
function whenClosed(emitter: ChannelModel | ConfirmChannel): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  let failure: Error | undefined;
  emitter.on("error", (error: Error) => failure ??= explainLoss(error));
  emitter.on("handler-error", (error: Error) => failure ??= error);
  emitter.on("close", (error?: Error) => resolve(failure ?? error));
  return promise;
}

async function settleClose(close: () => Promise<void>, closed: Promise<unknown>): Promise<void> {
  try {
    await waitAtMost(CLOSE_TIMEOUT_MS, Promise.race([close(), closed]));
  } catch {
    // Already closed, which is what was wanted.
  }
}
