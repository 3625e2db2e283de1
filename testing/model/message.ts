/** A message on its way through exchanges and queues. @module */

import type { BasicProperties } from "../wire/basic_properties.ts";
import { decodeArray } from "../wire/field_table.ts";
import { textOf } from "../wire/field_value.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { Annotations } from "./annotations.ts";

/** What was published, and where to. */
export interface Message {
  /** The exchange that it was published to. */
  readonly exchange: string;
  /** The routing key, then those of the headers `CC` and `BCC`. */
  readonly routingKeys: readonly [string, ...string[]];
  /** The properties as they will be delivered. */
  readonly properties: BasicProperties;
  /** The encoded body. */
  readonly body: Uint8Array;
  /** What RabbitMQ 4 keeps beside the properties; `undefined` before it. */
  readonly annotations: Annotations | undefined;
}

/** A message in one queue. */
export interface QueuedMessage {
  /** What was published. */
  readonly message: Message;
  /** Its place in the order of arrival. */
  readonly position: number;
  /** Its priority within the bounds of the queue. */
  readonly priority: number;
  /** The bytes that it counts towards limits of the queue. */
  readonly bytes: number;
  /** When it expires, in Unix milliseconds, or `undefined` for never. */
  readonly expiresAt: number | undefined;
  /** Whether it was delivered before. */
  redelivered: boolean;
  /** How often it came back. */
  acquiredCount: number;
  /** How often it came back as failed, to this queue or to one that dead-lettered it. */
  failedCount: number;
}

/** The longest TTL or expiry that RabbitMQ takes: ten years. */
export const MAX_EXPIRY_MS = 315_360_000_000;

/**
 * Returns the routing keys of a publish: its own and those of `CC` and `BCC`.
 *
 * @throws {AmqpError} If one of the headers is not an array.
 */
export function routingKeysOf(
  routingKey: string,
  properties: BasicProperties,
): readonly [string, ...string[]] {
  if (!properties.hasHeaders) return [routingKey];
  const extra: string[] = [];
  for (const name of ["CC", "BCC"]) {
    const value = properties.headers.get(name);
    if (value === undefined) continue;
    if (value.type !== "array") {
      throw new AmqpError(
        "precondition-failed",
        `invalid message: {unacceptable_type_in_header,"${name}",${value.type}}`,
      );
    }
    extra.push(...decodeArray(value.value).flatMap((item) => textOf(item) ?? []));
  }
  return [routingKey, ...extra];
}

/** Returns the properties without `BCC`, which no consumer may see. */
export function withoutBcc(properties: BasicProperties): BasicProperties {
  if (!properties.hasHeaders || !properties.headers.has("BCC")) return properties;
  const headers = new Map(properties.headers);
  headers.delete("BCC");
  return properties.with({ headers });
}

/**
 * Returns the TTL in milliseconds that the publisher set.
 *
 * @throws {AmqpError} If it is not a whole number that RabbitMQ accepts.
 */
export function expirationOf(properties: BasicProperties): number | undefined {
  const text = properties.text("expiration");
  if (text === undefined) return undefined;
  const reason = expirationFault(text);
  if (reason === undefined) return Number(text);
  throw new AmqpError("precondition-failed", `invalid expiration '${text}': ${reason}`);
}

function expirationFault(text: string): string | undefined {
  const digits = /^[+-]?\d+/.exec(text)?.[0];
  if (digits === undefined) return "no_integer";
  if (digits.length < text.length) return `{leftover_string,"${text.slice(digits.length)}"}`;
  if (Number(text) < 0) return `{value_negative,${Number(text)}}`;
  return Number(text) > MAX_EXPIRY_MS ? `{value_too_large,${BigInt(text)}}` : undefined;
}
