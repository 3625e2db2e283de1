/** Names that clients choose and names that the broker makes. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import type { Channel } from "./channel.ts";

/**
 * Checks a name that a client wants to declare.
 *
 * @throws {AmqpError} If it has the prefix that is reserved to the broker.
 */
export function assertNotReserved(kind: "queue" | "exchange", name: string): void {
  if (!name.startsWith("amq.")) return;
  throw new AmqpError(
    "access-refused",
    `${kind} name '${name}' contains reserved prefix 'amq.*'`,
  );
}

/** Returns an unguessable name, such as `amq.gen-` and 22 characters. */
export function generateName(prefix: string): string {
  const base64 = randomBase64().replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `${prefix}-${base64}`;
}

/** Returns 16 random bytes in base 64. */
export function randomBase64(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
}

/** Takes line breaks out of a name, as RabbitMQ does. */
export function stripLineBreaks(name: string): string {
  return name.replaceAll(/[\r\n]/g, "");
}

/**
 * Returns the queue that is meant: the empty name means the one declared last on the channel.
 *
 * @throws {AmqpError} If none was declared.
 */
export function resolveQueueName(channel: Channel, name: string): string {
  if (name !== "") return name;
  if (channel.lastQueueName !== "") return channel.lastQueueName;
  throw new AmqpError("not-found", "no previously declared queue");
}
