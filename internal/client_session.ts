/** What a client has on its connection: one channel, its reply queue and a publisher. @module */

import type { AmqpChannel, AmqpConnection } from "./amqp.ts";
import type { Session } from "./connection.ts";
import type { IncomingReply } from "./pending_calls.ts";
import { Publisher } from "./publisher.ts";

/** A client's session. */
export interface ClientSession extends Session {
  /** Exclusive and named by the broker, so that nobody can guess it; it dies with the session. */
  readonly replyQueue: string;
  readonly publisher: Publisher;
}

/** Declares the reply queue and starts to consume it. */
export async function openClientSession(
  connection: AmqpConnection,
  onReply: (reply: IncomingReply) => void,
): Promise<ClientSession> {
  const channel: AmqpChannel = await connection.openChannel();
  const replyQueue = await channel.declareQueue("", { exclusive: true });
  // Replies need no acknowledgement: if this client dies, so does the queue.
  await channel.consume(replyQueue, { noAck: true }, (reply) => {
    if (reply !== undefined) return onReply(reply);
    // Somebody deleted the queue: a new session gets a new one.
    channel.close();
  });
  return { channels: [channel], replyQueue, publisher: new Publisher(channel) };
}
