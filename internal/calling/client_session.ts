/** What a client has on its connection: its reply queue and a publisher. @module */

import { RpcError } from "../../errors.ts";
import type { AmqpChannel, AmqpDelivery, AmqpLink, AmqpQueueOptions } from "../broker/amqp.ts";
import { amqpCodeOf, isConsumedAlone, readMismatch } from "../broker/amqp_error.ts";
import type { Session } from "../broker/connection.ts";
import type { AmqpPublish } from "../broker/amqp.ts";
import type { BrokerNode } from "../../options/interceptors.ts";
import { requestMessage, type RequestRoute } from "../protocol/envelope.ts";
import {
  DIRECT_REPLY_TO,
  DURABLE_REPLY_PREFIX,
  isProbe,
  probeMessage,
} from "../protocol/reply_address.ts";
import { replyQueueOptions, unreplicatedReplyQueueOptions } from "../protocol/topology.ts";
import { waitAtMost } from "../time.ts";
import { type ChannelSource, Publisher } from "../broker/publisher.ts";
import { ClientExchanges, type ClientExchangesOptions } from "../protocol/client_exchanges.ts";
import type { ClientSettings } from "./client_settings.ts";
import type { PendingCall } from "./pending_calls.ts";

/** A client's session. */
export interface ClientSession extends Session {
  /** Where replies go: the name of a queue, or the pseudo-queue of direct reply-to. */
  readonly replyTo: string;
  /** The node that it is on. */
  readonly broker: BrokerNode;
  readonly publisher: Publisher;
  /** Publishes the credits of streams, on a channel of its own: they do not wait behind requests. */
  readonly credits: Publisher;
  /**
   * Publishes cancellations, on a channel of its own: a user who may not publish them loses that
   * one. Absent while there are no shared exchanges.
   */
  readonly control: Publisher | undefined;
  /** Where requests to a queue and their replies go; `undefined` until that was looked for. */
  routeTo(queue: string): RequestRoute | undefined;
  /** Finds out where requests to a further queue go. */
  findRoute(queue: string): Promise<void>;
  /** Says that no queue took what was published there. */
  onUnbound(queue: string): void;
  /** Declares a queue, which the broker may refuse without harm. */
  declareQueue(name: string, options: AmqpQueueOptions): Promise<void>;
  /** Counts the requests in a queue that wait for a server. */
  countWaiting(queue: string): Promise<number>;
  /** Counts them, and the servers that take them. */
  inspectQueue(queue: string): Promise<{ readonly ready: number; readonly consumers: number }>;
  /** Ends the connection at once: the next session has another reply queue. */
  destroy(reason: Error): void;
}

/** Options of {@linkcode openClientSession}. */
export interface ClientSessionOptions extends ClientExchangesOptions {
  readonly replyQueue: ClientSettings["replyQueue"];
  readonly onReply: (reply: AmqpDelivery) => void;
  /** Where the connection goes. */
  readonly broker: BrokerNode;
  /** Whether the client had no session before. */
  readonly isFirst: boolean;
  /** Told that a durable reply queue exists that lives on one node. */
  readonly onUnreplicated: (queue: string) => void;
}

/** Most replies of a durable queue that wait for their named callback. */
const DURABLE_PREFETCH = 256;

/**
 * How long a client waits for a delivery of a durable reply queue that tells that it is served, in
 * milliseconds: if there is none, another client is.
 */
const PROBE_LIMIT_MS = 3_000;

/**
 * The same for the first session of a client that finds the queue served: that one may just be leaving.
 * Later ones may find their own consumer of a node that was lost, which takes its time to go.
 */
const SERVED_PROBE_LIMIT_MS = 300;

/** A reply queue, and how it is consumed. */
interface OpenedReplyQueue {
  readonly replyTo: string;
  /**
   * - `no-ack`: it dies with the client, so there is nobody to redeliver a reply to.
   * - `exclusive`: the broker refuses a second consumer.
   * - `probed`: it serves one consumer at a time, which finds out that it is the one.
   */
  readonly mode: "no-ack" | "exclusive" | "probed";
}

/** Declares the reply queue, unless nothing is to be declared, and starts to consume it. */
export async function openClientSession(
  connection: AmqpLink,
  options: ClientSessionOptions,
): Promise<ClientSession> {
  const { publishing, broker } = options;
  const channel = await connection.openChannel();
  const opened = await openReplyQueue(connection, channel, options);
  const { replyTo } = opened;
  const isQueue = replyTo !== DIRECT_REPLY_TO;
  const exchanges = new ClientExchanges(connection, options, replyTo);
  await exchanges.open();
  const credits = await Publisher.open(connection, publishing);
  const source = isQueue ? connection : onlyChannel(connection, channel);
  const publisher = await Publisher.open(source, publishing);
  const probeLimitMs = await probeLimit(connection, opened, options);
  await consumeReplies({ channel, publisher, probeLimitMs }, opened, options.onReply);
  return {
    channels: [channel, publisher],
    replyTo,
    broker,
    publisher,
    credits,
    get control() {
      return exchanges.control;
    },
    routeTo: (queue) => exchanges.routeTo(queue),
    findRoute: (queue) => exchanges.find(queue),
    onUnbound: (queue) => exchanges.onUnbound(queue),
    async declareQueue(name, options) {
      await connection.onOwnChannel((channel) => channel.declareQueue(name, options));
    },
    countWaiting: (queue) => connection.onOwnChannel((channel) => channel.checkQueue(queue)),
    inspectQueue: (queue) =>
      connection.onOwnChannel(async (channel) => ({
        ready: await channel.checkQueue(queue),
        consumers: await channel.countConsumers(queue),
      })),
    destroy: (reason) => connection.destroy(reason),
  };
}

/**
 * Writes the request of a call, at the last moment before it is sent.
 *
 * @returns `undefined` if it is not to be sent any more.
 */
export function messageOf(call: PendingCall, session: ClientSession): AmqpPublish | undefined {
  if (call.isSettled) return undefined;
  const { request } = call;
  const route = session.routeTo(request.queue);
  // Asked for before, and only for calls that wait for it, nothing is submitted.
  if (route === undefined) return undefined;
  call.onPublish(route.exchange, session.broker);
  const path = request.kind === "notify" ? { ...route, replyTo: undefined } : route;
  return requestMessage(request, call.attempts++, path);
}

/**
 * Direct replies come to the channel that the request was published on. If that one must be replaced,
 * so must the session.
 */
function onlyChannel(connection: AmqpLink, channel: AmqpChannel): ChannelSource {
  let isTaken = false;
  return {
    get isBlocked() {
      return connection.isBlocked;
    },
    openChannel() {
      if (isTaken) return Promise.reject(new Error("Cannot publish as the broker refuses all"));
      isTaken = true;
      return Promise.resolve(channel);
    },
    destroy: (reason) => connection.destroy(reason),
  };
}

async function openReplyQueue(
  connection: AmqpLink,
  channel: AmqpChannel,
  { replyQueue, declare, onUnreplicated }: ClientSessionOptions,
): Promise<OpenedReplyQueue> {
  if (replyQueue === "direct") return { replyTo: DIRECT_REPLY_TO, mode: "no-ack" };
  if (replyQueue === "exclusive") {
    // Named by the broker, so that nobody can guess it; it dies with its consumer, as others may go on
    // using the connection.
    const options = { exclusive: true, autoDelete: true };
    return { replyTo: await channel.declareQueue("", options), mode: "no-ack" };
  }
  const replyTo = DURABLE_REPLY_PREFIX + replyQueue.name;
  await channel.prefetch(DURABLE_PREFETCH);
  if (!declare) return { replyTo, mode: "probed" };
  const isReplicated = await declareDurable(connection, replyTo, replyQueue.expiresMs);
  if (!isReplicated) onUnreplicated(replyTo);
  return { replyTo, mode: isReplicated ? "probed" : "exclusive" };
}

/** Declares a durable reply queue; a classic one that exists is used as it is. */
async function declareDurable(
  connection: AmqpLink,
  queue: string,
  expiresMs: number,
): Promise<boolean> {
  const declare = (options: AmqpQueueOptions) =>
    connection.onOwnChannel((channel) => channel.declareQueue(queue, options));
  let mismatch: unknown;
  try {
    await declare(replyQueueOptions(expiresMs));
    return true;
  } catch (error) {
    if (readMismatch(error) === undefined) throw explainRefusal(error, queue);
    mismatch = error;
  }
  try {
    await declare(unreplicatedReplyQueueOptions(expiresMs));
    return false;
  } catch (error) {
    // Of another type than that, it is one of ours with an argument that differs.
    const isReplicated = readMismatch(error)?.argument === "x-queue-type";
    throw explainRefusal(isReplicated ? mismatch : error, queue);
  }
}

/** Who has a consumer there already is asked before there is another one, as they are not told apart. */
async function probeLimit(
  connection: AmqpLink,
  { replyTo, mode }: OpenedReplyQueue,
  { isFirst }: ClientSessionOptions,
): Promise<number> {
  if (!isFirst || mode !== "probed") return PROBE_LIMIT_MS;
  try {
    const count = await connection.onOwnChannel((channel) => channel.countConsumers(replyTo));
    return count > 0 ? SERVED_PROBE_LIMIT_MS : PROBE_LIMIT_MS;
  } catch {
    // Who may not look finds out by the probe alone.
    return PROBE_LIMIT_MS;
  }
}

/** What consuming a reply queue takes. */
interface ReplyMeans {
  readonly channel: AmqpChannel;
  readonly publisher: Publisher;
  readonly probeLimitMs: number;
}

async function consumeReplies(
  { channel, publisher, probeLimitMs }: ReplyMeans,
  { replyTo, mode }: OpenedReplyQueue,
  onReply: (reply: AmqpDelivery) => void,
): Promise<void> {
  const { promise: delivered, resolve: onDelivered } = Promise.withResolvers<void>();
  const isProbed = mode === "probed";
  try {
    await channel.consume(
      replyTo,
      // Of a queue that operators have declared, nobody knows the type: a quorum queue takes no notice.
      { noAck: mode === "no-ack", exclusive: mode !== "no-ack" },
      (reply) => {
        // Somebody deleted the queue: a new session gets a new one. close() never rejects.
        if (reply === undefined) return void channel.close();
        if (!isProbed) return onReply(reply);
        onDelivered();
        if (isProbe(reply.properties)) reply.ack();
        else onReply(reply);
      },
    );
  } catch (error) {
    throw mode === "no-ack" ? error : explainRefusal(error, replyTo);
  }
  if (!isProbed) return;
  await probe(publisher, replyTo);
  // Whatever is delivered to this client tells that no other one is served.
  if (!await waitAtMost(probeLimitMs, delivered)) throw inUse(replyTo);
}

async function probe(publisher: Publisher, queue: string): Promise<void> {
  const outcome = await publisher.publish(() => probeMessage(queue));
  if (outcome !== "confirmed") {
    throw new Error(`Cannot use reply queue "${queue}" as a message to it is ${outcome}`);
  }
}

function inUse(queue: string, cause?: unknown): RpcError {
  return new RpcError(
    "misconfigured",
    `Cannot connect as reply queue "${queue}" is in use by another client: give each its own name`,
    { cause, retryable: true },
  );
}

function explainRefusal(error: unknown, queue: string): unknown {
  const subject = `Cannot connect as reply queue "${queue}"`;
  const options = { cause: error, retryable: true };
  if (isConsumedAlone(error)) return inUse(queue, error);
  const mismatch = readMismatch(error);
  if (mismatch !== undefined) {
    const { argument, received, current } = mismatch;
    const state = `"${argument}" is ${current} there, and would be ${received} here`;
    const step = argument === "x-expires"
      ? 'set "replyQueue.expiresMs" to what is there, or delete the queue once it is empty'
      : "delete the queue once it is empty";
    const message = `${subject} exists with other arguments: ${state}: ${step}`;
    return new RpcError("misconfigured", message, { cause: error });
  }
  if (amqpCodeOf(error) !== 404) return error;
  const step = 'declare it as "@warren/rpc/definitions" has it, as "declare" is false';
  return new RpcError("misconfigured", `${subject} does not exist: ${step}`, options);
}
