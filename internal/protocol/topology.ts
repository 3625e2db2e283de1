/** The exchanges that clients and servers share. @module */

import type { AmqpConnection } from "../broker/amqp.ts";

/**
 * Where request queues send what they drop (expired, rejected, given back too often, too many): a
 * headers exchange to which each client has bound its reply queue, so that the request comes back
 * to its caller with the reason.
 */
export const RETURNS_EXCHANGE = "rpc.returns";

/** Where clients tell the servers of a queue that they do not want an output any more. */
export const CONTROL_EXCHANGE = "rpc.control";

/** The header by which {@linkcode RETURNS_EXCHANGE} finds the caller: the name of its reply queue. */
export const REPLY_TO_HEADER = "rpc-reply-to";

/**
 * Declares them, on a channel of its own: a refusal closes it.
 *
 * @param connection Where to.
 * @param replyQueue The reply queue to bind to the returns, for a client.
 * @throws If the user may not.
 */
export async function declareTopology(
  connection: AmqpConnection,
  replyQueue?: string,
): Promise<void> {
  await connection.onOwnChannel(async (channel) => {
    await channel.declareExchange(RETURNS_EXCHANGE, "headers");
    await channel.declareExchange(CONTROL_EXCHANGE, "direct");
    if (replyQueue === undefined) return;
    await channel.bindQueue(replyQueue, RETURNS_EXCHANGE, {
      headers: { [REPLY_TO_HEADER]: replyQueue },
    });
  });
}
