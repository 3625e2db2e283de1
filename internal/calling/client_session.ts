/** What a client has on its connection: its reply queue and a publisher. @module */

import { RpcError } from "../../errors.ts";
import type {
  AmqpChannel,
  AmqpConnection,
  AmqpDelivery,
  AmqpQueueOptions,
} from "../broker/amqp.ts";
import { amqpCodeOf, isConsumedAlone } from "../broker/amqp_error.ts";
import type { Session } from "../broker/connection.ts";
import { DIRECT_REPLY_TO, DURABLE_REPLY_PREFIX } from "../protocol/reply_address.ts";
import { checkTopology, declareTopology, replyQueueOptions } from "../protocol/topology.ts";
import { type ChannelSource, Publisher } from "../broker/publisher.ts";
import type { ClientSettings } from "./client_settings.ts";

/** A client's session. */
export interface ClientSession extends Session {
  /** Where replies go: the name of a queue, or the pseudo-queue of direct reply-to. */
  readonly replyTo: string;
  readonly publisher: Publisher;
  /** Publishes the credits of streams, on a channel of its own: they do not wait behind requests. */
  readonly credits: Publisher;
  /**
   * Publishes cancellations, on a channel of its own: a user who may not publish them loses that
   * one. Absent without the shared exchanges.
   */
  readonly control: Publisher | undefined;
  /** Declares a queue, which the broker may refuse without harm. */
  declareQueue(name: string, options: AmqpQueueOptions): Promise<void>;
}

/** Options of {@linkcode openClientSession}. */
export interface ClientSessionOptions {
  readonly replyQueue: ClientSettings["replyQueue"];
  /** Whether anything is declared. */
  readonly declare: boolean;
  readonly confirmTimeoutMs: number;
  readonly onReply: (reply: AmqpDelivery) => void;
  /** Told why the shared exchanges cannot be used. */
  readonly onNoExchanges: (error: unknown) => void;
}

/** Most replies of a durable queue that wait for their named callback. */
const DURABLE_PREFETCH = 256;

/** Declares the reply queue, unless nothing is to be declared, and starts to consume it. */
export async function openClientSession(
  connection: AmqpConnection,
  options: ClientSessionOptions,
): Promise<ClientSession> {
  const { replyQueue, confirmTimeoutMs, onReply } = options;
  const channel = await connection.openChannel();
  const replyTo = await openReplyQueue(channel, options);
  const isQueue = replyTo !== DIRECT_REPLY_TO;
  const hasExchanges = await tryExchanges(connection, isQueue ? replyTo : undefined, options);
  const control = hasExchanges ? await Publisher.open(connection, confirmTimeoutMs) : undefined;
  const credits = await Publisher.open(connection, confirmTimeoutMs);
  const source = isQueue ? connection : onlyChannel(connection, channel);
  const publisher = await Publisher.open(source, confirmTimeoutMs);
  await consumeReplies(channel, replyTo, { isDurable: typeof replyQueue === "object", onReply });
  return {
    channels: [channel, publisher],
    replyTo,
    publisher,
    credits,
    control,
    async declareQueue(name, options) {
      await connection.onOwnChannel((channel) => channel.declareQueue(name, options));
    },
  };
}

/**
 * Direct replies come to the channel that the request was published on. If that one must be replaced,
 * so must the session.
 */
function onlyChannel(connection: AmqpConnection, channel: AmqpChannel): ChannelSource {
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
  channel: AmqpChannel,
  { replyQueue, declare }: ClientSessionOptions,
): Promise<string> {
  if (replyQueue === "direct") return DIRECT_REPLY_TO;
  // Named by the broker, so that nobody can guess it; it dies with the connection.
  if (replyQueue === "exclusive") return await channel.declareQueue("", { exclusive: true });
  const name = DURABLE_REPLY_PREFIX + replyQueue.name;
  await channel.prefetch(DURABLE_PREFETCH);
  if (declare) await channel.declareQueue(name, replyQueueOptions(replyQueue.expiresMs));
  return name;
}

async function consumeReplies(
  channel: AmqpChannel,
  queue: string,
  { isDurable, onReply }: {
    readonly isDurable: boolean;
    readonly onReply: (reply: AmqpDelivery) => void;
  },
): Promise<void> {
  try {
    // Where the queue dies with the client, there is nobody to redeliver a reply to.
    await channel.consume(queue, { noAck: !isDurable, exclusive: isDurable }, (reply) => {
      if (reply !== undefined) return onReply(reply);
      // Somebody deleted the queue: a new session gets a new one. close() never rejects.
      channel.close();
    });
  } catch (error) {
    throw isDurable ? explainRefusal(error, queue) : error;
  }
}

function explainRefusal(error: unknown, queue: string): unknown {
  const subject = `Cannot connect as reply queue "${queue}"`;
  const options = { cause: error, retryable: true };
  if (isConsumedAlone(error)) {
    const message = `${subject} is in use by another client: give each its own name`;
    return new RpcError("misconfigured", message, options);
  }
  if (amqpCodeOf(error) !== 404) return error;
  const step = 'declare it as "@warren/rpc/definitions" has it, as "declare" is false';
  return new RpcError("misconfigured", `${subject} does not exist: ${step}`, options);
}

async function tryExchanges(
  connection: AmqpConnection,
  replyQueue: string | undefined,
  { declare, onNoExchanges }: ClientSessionOptions,
): Promise<boolean> {
  try {
    if (declare) await declareTopology(connection, replyQueue);
    else await checkTopology(connection);
    return true;
  } catch (error) {
    onNoExchanges(error);
    return false;
  }
}
