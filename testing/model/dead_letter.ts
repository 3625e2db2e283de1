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
import type { Message } from "./message.ts";
import { routingKeysOf } from "./message.ts";

/** One death of a message. */
export interface Death {
  /** The queue that gave it up. */
  readonly queue: string;
  /** Why it did. */
  readonly reason: string;
  /** When, in Unix milliseconds. */
  readonly at: number;
}

/** Where dead letters of a queue go. */
export interface DeadLetterTarget {
  /** The exchange. */
  readonly exchange: string;
  /** The routing key, or `undefined` to keep the message's own. */
  readonly routingKey: string | undefined;
}

/** Returns the message that is published to the dead-letter exchange. */
export function deadLetterOf(message: Message, death: Death, target: DeadLetterTarget): Message {
  const { properties } = message;
  const headers = new Map(recordDeath(message, death));
  if (target.routingKey !== undefined) headers.delete("CC");
  const [first, ...others] = message.routingKeys;
  return {
    exchange: target.exchange,
    routingKeys: target.routingKey === undefined ? [first, ...others] : [target.routingKey],
    properties: properties.with({ headers, expiration: undefined }),
    body: message.body,
  };
}

/** Tells whether a message went round from `queue` to `queue` without any client having refused it. */
export function isDeadLetterCycle(properties: BasicProperties, queue: string): boolean {
  const deaths = deathsOf(properties);
  const last = deaths.findIndex((death) => textOf(death.get("queue")) === queue);
  if (last < 0) return false;
  return deaths.slice(0, last + 1).every((death) => textOf(death.get("reason")) !== "rejected");
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
  if (deaths.length === 0) {
    headers.set("x-first-death-reason", longString(death.reason));
    headers.set("x-first-death-queue", longString(death.queue));
    headers.set("x-first-death-exchange", longString(exchange));
  }
  const all = deaths.length === 0 ? [newDeath(message, death)] : withDeath(deaths, message, death);
  headers.set("x-death", {
    type: "array",
    value: encodeArray(all.map((table) => ({ type: "table", value: encodeTable(table) }))),
  });
  return sortedTable(headers);
}

/** A death like an earlier one is counted there; RabbitMQ sorts all but the first it records. */
function withDeath(deaths: readonly FieldTable[], message: Message, death: Death): FieldTable[] {
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
