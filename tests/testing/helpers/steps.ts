/** Steps that conformance tests take. @module */

import type { PropertyChanges } from "../../../testing/wire/basic_properties.ts";
import { decodeArray, decodeTable } from "../../../testing/wire/field_table.ts";
import {
  type FieldValue,
  integerOf,
  longString,
  textOf,
} from "../../../testing/wire/field_value.ts";
import type { RawClient, Received } from "../../../tools/raw/raw_client.ts";

/** Publishes a text to a queue on channel 1. */
export function publish(
  client: RawClient,
  routingKey: string,
  ...[body, properties = {}]: [string, PropertyChanges?]
): void {
  client.send(1, "basic.publish", { routingKey }, {
    body: new TextEncoder().encode(body),
    properties,
  });
}

/** The channel of {@linkcode publishAll}, which is in confirm mode. */
const CONFIRMING = 9;

/**
 * Publishes texts to a queue, which holds all of them afterwards.
 *
 * A quorum queue takes what a channel publishes in batches, which a `basic.get` may overtake.
 */
export async function publishAll(
  client: RawClient,
  routingKey: string,
  messages: readonly (readonly [body: string, properties?: PropertyChanges])[],
): Promise<void> {
  await client.openChannel(CONFIRMING);
  await client.call(CONFIRMING, ["confirm.select", "confirm.select-ok"]);
  for (const [body, properties = {}] of messages) {
    client.send(CONFIRMING, "basic.publish", { routingKey }, {
      body: new TextEncoder().encode(body),
      properties,
    });
  }
  for (let confirmed = 0; confirmed < messages.length;) {
    confirmed = Number((await client.next(CONFIRMING, "basic.ack")).arguments.deliveryTag);
  }
  await client.call(CONFIRMING, ["channel.close", "channel.close-ok"], { replyCode: 200 });
}

/** Consumes a queue on channel 1. */
export async function consume(client: RawClient, queue: string, consumerTag = "c"): Promise<void> {
  await client.call(1, ["basic.consume", "basic.consume-ok"], { queue, consumerTag });
}

/** Gets a message on channel 1; a publish may still be on its way to the queue. */
export async function get(
  client: RawClient,
  queue: string,
): Promise<Received & { readonly name: "basic.get-ok" }> {
  for (;;) {
    client.send(1, "basic.get", { queue });
    client.send(1, "channel.flow", { active: true });
    await client.next(1, "channel.flow-ok");
    const answer = client.received.find((item) => item.name === "basic.get-ok");
    if (answer !== undefined) return await client.next(1, "basic.get-ok");
    await client.next(1, "basic.get-empty");
  }
}

/** Returns what `x-death` tells of the last death. */
export function lastDeath(message: Received): { queue: string; reason: string; count: number } {
  const deaths = message.properties?.headers.get("x-death");
  const last = deaths?.type === "array" ? decodeArray(deaths.value)[0] : undefined;
  const death = last?.type === "table" ? decodeTable(last.value) : new Map<string, FieldValue>();
  return {
    queue: textOf(death.get("queue")) ?? "",
    reason: textOf(death.get("reason")) ?? "",
    count: integerOf(death.get("count")) ?? 0,
  };
}

/** Returns arguments with which a queue dead-letters into another, by name. */
export function deadLetterEntries(routingKey: string): Record<string, FieldValue> {
  return {
    "x-dead-letter-exchange": longString(""),
    "x-dead-letter-routing-key": longString(routingKey),
  };
}

/** Returns arguments with which a queue dead-letters into another. */
export function deadLetters(routingKey: string): Map<string, FieldValue> {
  return table(deadLetterEntries(routingKey));
}

/** Returns the arguments of a quorum queue. */
export function quorum(more: Record<string, FieldValue> = {}): Map<string, FieldValue> {
  return table({ "x-queue-type": longString("quorum"), ...more });
}

/** Returns a field table. */
export function table(entries: Record<string, FieldValue>): Map<string, FieldValue> {
  return new Map(Object.entries(entries));
}

/** Returns an integer value. */
export function integer(value: number): FieldValue {
  return { type: "signedint", value: BigInt(value) };
}
