/** What RabbitMQ 4 keeps of a message beside its properties, and what consumers see of both. @module */

import type { BasicProperties } from "../wire/basic_properties.ts";
import { decodeArray, encodeArray, encodeTable } from "../wire/field_table.ts";
import {
  type FieldTable,
  type FieldValue,
  longString,
  sortedTable,
  textOf,
} from "../wire/field_value.ts";

/** One death of a message. */
export interface Death {
  /** The queue that gave it up. */
  readonly queue: string;
  /** Why it did. */
  readonly reason: string;
  /** When, in Unix milliseconds. */
  readonly at: number;
}

/** All deaths of one reason in one queue. */
export interface DeathRecord {
  /** The queue that gave the message up. */
  readonly queue: string;
  /** Why it did. */
  readonly reason: string;
  /** How often it did. */
  readonly count: number;
  /** When it first did, in Unix milliseconds. */
  readonly firstAt: number;
  /** The exchange that the message had come from. */
  readonly exchange: string;
  /** The routing keys that it had come with, without those of `BCC`. */
  readonly routingKeys: readonly string[];
  /** The TTL that its publisher had given it, in milliseconds. */
  readonly ttlMs: number | undefined;
}

/** Annotations of a message. */
export interface Annotations {
  /** The properties as they were published, without `BCC`. */
  readonly published: BasicProperties;
  /** The routing keys of `BCC`. */
  readonly bccKeys: readonly string[];
  /** The TTL that is left to it, in milliseconds. */
  readonly ttlMs: number | undefined;
  /** Its deaths, the last one first. */
  readonly deaths: readonly DeathRecord[];
  /** The headers that tell of the first and the last death. */
  readonly deathHeaders: FieldTable;
  /** How often quorum queues got it back as failed. */
  readonly deliveryCount: number;
}

const NO_HEADERS: FieldTable = new Map();

/** Returns the annotations of a message that has just been published. */
export function annotationsOf(
  properties: BasicProperties,
  { published, ttlMs }: Pick<Annotations, "published" | "ttlMs">,
): Annotations {
  const bcc = properties.hasHeaders ? properties.headers.get("BCC") : undefined;
  const bccKeys = bcc?.type === "array"
    ? decodeArray(bcc.value).flatMap((item) => textOf(item) ?? [])
    : [];
  return { published, bccKeys, ttlMs, deaths: [], deathHeaders: NO_HEADERS, deliveryCount: 0 };
}

/** Returns the annotations with one more death of the message. */
export function withDeath(
  annotations: Annotations,
  { death, exchange, routingKeys }: {
    readonly death: Death;
    readonly exchange: string;
    readonly routingKeys: readonly string[];
  },
): Annotations {
  const { deaths, ttlMs, bccKeys } = annotations;
  const isSame = ({ queue, reason }: DeathRecord): boolean =>
    queue === death.queue && reason === death.reason;
  const before = deaths.find(isSame);
  const record: DeathRecord = before === undefined
    ? {
      ...death,
      count: 1,
      firstAt: death.at,
      exchange,
      routingKeys: without(routingKeys, bccKeys),
      ttlMs,
    }
    : { ...before, count: before.count + 1 };
  const headers = new Map(annotations.deathHeaders);
  for (const which of deaths.length === 0 ? ["first", "last"] : ["last"]) {
    headers.set(`x-${which}-death-reason`, longString(death.reason));
    headers.set(`x-${which}-death-queue`, longString(death.queue));
    headers.set(`x-${which}-death-exchange`, longString(exchange));
  }
  return {
    ...annotations,
    ttlMs: undefined,
    deaths: [record, ...deaths.filter((other) => !isSame(other))],
    deathHeaders: headers,
  };
}

/** Tells whether a message went round from `queue` to `queue` without any client having refused it. */
export function isAnnotatedCycle({ deaths }: Annotations, queue: string): boolean {
  const last = deaths.findIndex((death) => death.queue === queue);
  return last >= 0 && deaths.slice(0, last + 1).every(({ reason }) => reason !== "rejected");
}

/** Returns the headers by which exchanges route a message. */
export function routingHeaders({ published, deathHeaders }: Annotations): FieldTable {
  return deathHeaders.size === 0
    ? published.headers
    : new Map([...published.headers, ...deathHeaders]);
}

/** Returns the properties that consumers see: headers in the order of their names. */
export function deliveredProperties(annotations: Annotations): BasicProperties {
  const { published, deaths, deathHeaders, ttlMs } = annotations;
  const expiration = ttlMs?.toString();
  const isUnchanged = expiration === published.text("expiration");
  if (deaths.length === 0 && published.headers.size < 2) {
    return isUnchanged ? published : published.with({ expiration });
  }
  const headers = new Map([...published.headers, ...deathHeaders]);
  if (deaths.length > 0) {
    const records = deaths.map((record): FieldValue => ({
      type: "table",
      value: encodeTable(deathTable(record)),
    }));
    headers.set("x-death", { type: "array", value: encodeArray(records) });
  }
  return published.with({ headers: sortedTable(headers), expiration });
}

function deathTable(record: DeathRecord): FieldTable {
  const { count, reason, queue, firstAt, exchange, routingKeys, ttlMs } = record;
  const entries: [string, FieldValue][] = [
    ["count", { type: "long", value: BigInt(count) }],
    ["reason", longString(reason)],
    ["queue", longString(queue)],
    ["time", { type: "timestamp", value: BigInt(Math.floor(firstAt / 1000)) }],
    ["exchange", longString(exchange)],
    ["routing-keys", { type: "array", value: encodeArray(routingKeys.map(longString)) }],
  ];
  if (ttlMs !== undefined) entries.unshift(["original-expiration", longString(String(ttlMs))]);
  return new Map(entries);
}

/** Takes each of some keys out once. */
function without(keys: readonly string[], taken: readonly string[]): string[] {
  const left = [...keys];
  for (const key of taken) {
    const index = left.indexOf(key);
    if (index >= 0) left.splice(index, 1);
  }
  return left;
}
