/** Dead letters: what a message becomes when its queue gives it up, and cycles of them. @module */

import type { BasicProperties } from "../wire/basic_properties.ts";
import { decodeArray, decodeTable, encodeArray, encodeTable } from "../wire/field_table.ts";
import {
  type FieldTable,
  type FieldValue,
  longString,
  sortedTable,
  textOf,
} from "../wire/field_value.ts";
import {
  type Annotations,
  type Death,
  deliveredProperties,
  isAnnotatedCycle,
  withDeath,
} from "./annotations.ts";
import { type Message, type QueuedMessage, routingKeysOf } from "./message.ts";

/** Where dead letters of a queue go. */
export interface DeadLetterTarget {
  /** The exchange. */
  readonly exchange: string;
  /** The routing key, or `undefined` to keep the message's own. */
  readonly routingKey: string | undefined;
}

/** What a queue gives up. */
export type DeadEntry =
  & Pick<QueuedMessage, "message">
  & Partial<Pick<QueuedMessage, "failedCount">>;

/** Returns the message that is published to the dead-letter exchange. */
export function deadLetterOf(message: Message, death: Death, target: DeadLetterTarget): Message {
  const [first, ...others] = message.routingKeys;
  const { exchange, routingKey } = target;
  const { annotations } = message;
  return {
    exchange,
    routingKeys: routingKey === undefined ? [first, ...others] : [routingKey],
    body: message.body,
    ...(annotations === undefined
      ? { properties: withDeathHeaders(message, death, target), annotations }
      : annotated(withDeath(annotations, { ...message, death }))),
  };
}

/** Returns what a queue gave up with its count of failures, which goes with it from version 4 on. */
export function withDeliveryCount({ message, failedCount = 0 }: DeadEntry): Message {
  const { annotations } = message;
  if (annotations === undefined || failedCount === annotations.deliveryCount) return message;
  return { ...message, annotations: { ...annotations, deliveryCount: failedCount } };
}

/** Tells whether a message went round from `queue` to `queue` without any client having refused it. */
export function isDeadLetterCycle({ annotations, properties }: Message, queue: string): boolean {
  if (annotations !== undefined) return isAnnotatedCycle(annotations, queue);
  const deaths = deathsOf(properties);
  const last = deaths.findIndex((death) => textOf(death.get("queue")) === queue);
  if (last < 0) return false;
  return deaths.slice(0, last + 1).every((death) => textOf(death.get("reason")) !== "rejected");
}

function annotated(annotations: Annotations): Pick<Message, "properties" | "annotations"> {
  return { properties: deliveredProperties(annotations), annotations };
}

/** Before version 4 the deaths of a message were known from its headers alone. */
function withDeathHeaders(
  message: Message,
  death: Death,
  { routingKey }: DeadLetterTarget,
): BasicProperties {
  const headers = new Map(recordDeath(message, death));
  if (routingKey !== undefined) headers.delete("CC");
  return message.properties.with({ headers, expiration: undefined });
}

function deathsOf(properties: BasicProperties): FieldTable[] {
  const value = properties.hasHeaders ? properties.headers.get("x-death") : undefined;
  if (value?.type !== "array") return [];
  return decodeArray(value.value).flatMap((item) =>
    item.type === "table" ? [decodeTable(item.value)] : []
  );
}

function recordDeath(message: Message, death: Death): FieldTable {
  const { properties, exchange } = message;
  const headers = new Map(properties.headers);
  const deaths = deathsOf(properties);
  // What a publisher wrote is overwritten, but keeps a death from being the first.
  if (!headers.has("x-death")) {
    headers.set("x-first-death-reason", longString(death.reason));
    headers.set("x-first-death-queue", longString(death.queue));
    headers.set("x-first-death-exchange", longString(exchange));
  }
  const all = deaths.length === 0
    ? [newDeath(message, death)]
    : countedDeaths(deaths, message, death);
  headers.set("x-death", {
    type: "array",
    value: encodeArray(all.map((table) => ({ type: "table", value: encodeTable(table) }))),
  });
  return sortedTable(headers);
}

/** A death like an earlier one is counted there; RabbitMQ sorts all but the first it records. */
function countedDeaths(
  deaths: readonly FieldTable[],
  message: Message,
  death: Death,
): FieldTable[] {
  const isSame = (other: FieldTable): boolean =>
    textOf(other.get("queue")) === death.queue && textOf(other.get("reason")) === death.reason;
  const same = deaths.find(isSame);
  const current = same === undefined ? newDeath(message, death) : countAgain(same);
  return [sortedTable(current), ...deaths.filter((other) => !isSame(other))];
}

function newDeath(message: Message, death: Death): FieldTable {
  const { properties, exchange, routingKeys: [routingKey] } = message;
  const routingKeys = routingKeysOf(routingKey, properties).map(longString);
  const table = new Map<string, FieldValue>([
    ["count", { type: "long", value: 1n }],
    ["reason", longString(death.reason)],
    ["queue", longString(death.queue)],
    ["time", { type: "timestamp", value: BigInt(Math.floor(death.at / 1000)) }],
    ["exchange", longString(exchange)],
    ["routing-keys", { type: "array", value: encodeArray(routingKeys) }],
  ]);
  const expiration = properties.text("expiration");
  if (expiration !== undefined) table.set("original-expiration", longString(expiration));
  return table;
}

function countAgain(death: FieldTable): FieldTable {
  const count = death.get("count")?.value;
  const next = typeof count === "bigint" ? count + 1n : 1n;
  return new Map(death).set("count", { type: "long", value: next });
}
