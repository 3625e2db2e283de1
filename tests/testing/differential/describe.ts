/** What a broker sent, in plain words that can be compared. @module */

import type { BasicProperties, TextProperty } from "../../../testing/wire/basic_properties.ts";
import { decodeArray, decodeTable } from "../../../testing/wire/field_table.ts";
import { type FieldTable, type FieldValue, textOf } from "../../../testing/wire/field_value.ts";
import type { Received } from "../../../tools/raw/raw_client.ts";

const TEXTS: readonly TextProperty[] = [
  "contentType",
  "contentEncoding",
  "correlationId",
  "replyTo",
  "expiration",
  "messageId",
  "type",
  "userId",
  "appId",
];

/** Tells what a method says, without what differs from run to run. */
export function describe({ name, arguments: values, properties, body }: Received): string {
  const shown = { ...values, deliveryTag: undefined };
  if (name === "basic.get-ok") Object.assign(shown, { messageCount: undefined });
  const content = properties === undefined
    ? ""
    : ` ${describeProperties(properties)} ${new TextDecoder().decode(body)}`;
  const text = JSON.stringify(shown)
    // Queues race for delivery tags, so a tag says nothing across brokers.
    .replace(/unknown delivery tag \d+/, "unknown delivery tag")
    // What follows depends on the configuration that denies it.
    .replace(/(` is deprecated\.).*(",)/, "$1$2");
  // Names that the broker makes.
  return `${name} ${text}${content}`.replace(/amq\.(gen|ctag)-[\w-]{22}/g, "amq.$1");
}

/** Dead letters of a queue race with what others publish: RabbitMQ's queues are processes. */
export function originOf(item: Received | undefined): string {
  const deaths = item?.properties?.headers.get("x-death");
  const last = deaths?.type === "array" ? decodeArray(deaths.value)[0] : undefined;
  if (last?.type !== "table") return "";
  return `from ${textOf(decodeTable(last.value).get("queue"))}`;
}

function describeProperties(properties: BasicProperties): string {
  const texts = TEXTS.map((name) => properties.text(name));
  return JSON.stringify([
    properties.deliveryMode,
    properties.priority,
    texts,
    properties.hasHeaders,
    plain(properties.headers),
  ]);
}

function plain(table: FieldTable): unknown {
  return Object.fromEntries(
    [...table].map(([key, value]) => [key, key === "time" ? "time" : plainValue(value)]),
  );
}

function plainValue(value: FieldValue): unknown {
  switch (value.type) {
    case "table":
      return plain(decodeTable(value.value));
    case "array":
      return decodeArray(value.value).map(plainValue);
    case "longstr":
      return new TextDecoder().decode(value.value);
    default:
      return `${value.type} ${value.value}`;
  }
}
