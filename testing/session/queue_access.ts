/** Who may use a queue. @module */

import type { Queue } from "../model/queue.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { Channel } from "./channel.ts";

/**
 * Checks that a queue is not exclusive to another connection.
 *
 * @throws {AmqpError} If it is.
 */
export function assertAccess(channel: Channel, queue: Queue): void {
  const { owner } = queue.declaration;
  if (owner === undefined || owner === channel.host) return;
  throw locked(channel, queue);
}

/** Returns RabbitMQ's error for a queue that is exclusive, or is not and should be. */
export function locked(channel: Channel, queue: Queue): AmqpError {
  const resource = channel.host.virtualHost.describe({ kind: "queue", name: queue.name });
  return new AmqpError(
    "resource-locked",
    `cannot obtain exclusive access to locked ${resource}. It could be originally declared on ` +
      "another connection or the exclusive property value does not match that of the original " +
      "declaration.",
  );
}
