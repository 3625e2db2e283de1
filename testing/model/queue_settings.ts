/** Arguments of `queue.declare`: their meaning and their equivalence. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import {
  describeFieldValue,
  type FieldTable,
  type FieldValue,
  fieldValuesEqual,
  integerOf,
  longString,
  textOf,
} from "../wire/field_value.ts";
import {
  type ArgumentOwner,
  checkQueueArguments,
  invalidArgument,
  queueArgumentNames,
  type QueueType,
} from "./argument_checks.ts";
import type { VersionRules } from "./version_rules.ts";

/** What a queue does when it is full. */
export type Overflow = "drop-head" | "reject-publish" | "reject-publish-dlx";

/** The meaning of a queue's arguments. */
export interface QueueSettings {
  /** The queue type. */
  readonly type: QueueType;
  /** TTL of every message, in milliseconds. */
  readonly messageTtlMs: number | undefined;
  /** How long the queue may be unused, in milliseconds. */
  readonly expiresMs: number | undefined;
  /** The most ready messages. */
  readonly maxLength: number | undefined;
  /** The most bytes of ready messages. */
  readonly maxLengthBytes: number | undefined;
  /** The highest priority. */
  readonly maxPriority: number;
  /** What happens when a limit is reached. */
  readonly overflow: Overflow;
  /** The exchange that takes dead letters. */
  readonly deadLetterExchange: string | undefined;
  /** The routing key of dead letters, if not their own. */
  readonly deadLetterRoutingKey: string | undefined;
  /** How often a message may come back; quorum queues only. */
  readonly deliveryLimit: number | undefined;
  /** Whether only one consumer is served at a time. */
  readonly singleActiveConsumer: boolean;
  /** How long a delivery may stay unsettled, in milliseconds; `undefined` as in all queues. */
  readonly consumerTimeoutMs: number | undefined;
}

/**
 * Checks arguments as RabbitMQ does and returns their meaning.
 *
 * @throws {AmqpError} If an argument is not acceptable for the type of the queue.
 */
export function parseQueueSettings(
  resource: string,
  table: FieldTable,
  rules: VersionRules,
): QueueSettings {
  const type = queueTypeOf(resource, table, rules);
  checkQueueArguments({ resource, type, rules }, table);
  return {
    type,
    messageTtlMs: integerOf(table.get("x-message-ttl")),
    expiresMs: integerOf(table.get("x-expires")),
    maxLength: integerOf(table.get("x-max-length")),
    maxLengthBytes: integerOf(table.get("x-max-length-bytes")),
    maxPriority: integerOf(table.get("x-max-priority")) ?? 0,
    overflow: overflowOf(table, type),
    deadLetterExchange: textOf(table.get("x-dead-letter-exchange")),
    deadLetterRoutingKey: textOf(table.get("x-dead-letter-routing-key")),
    deliveryLimit: type === "quorum" ? deliveryLimitOf(table, rules) : undefined,
    singleActiveConsumer: table.get("x-single-active-consumer")?.value === true,
    consumerTimeoutMs: integerOf(table.get("x-consumer-timeout")),
  };
}

/** Returns the arguments of a declaration as they are kept: from version 4 on with the type. */
export function keptArguments(table: FieldTable, { namesQueueType }: VersionRules): FieldTable {
  if (!namesQueueType || table.has("x-queue-type")) return table;
  return new Map(table).set("x-queue-type", longString("classic"));
}

/**
 * Checks that a second declaration has the arguments of the first.
 *
 * @throws {AmqpError} If one of the queue type's arguments differs.
 */
export function assertQueueArguments(
  owner: ArgumentOwner,
  { current, received }: { readonly current: FieldTable; readonly received: FieldTable },
): void {
  for (const name of queueArgumentNames(owner)) {
    assertArgument(owner.resource, {
      name,
      current: current.get(name),
      received: received.get(name),
    });
  }
}

/**
 * Checks that one argument is the same in two declarations.
 *
 * @throws {AmqpError} If it differs.
 */
export function assertArgument(
  resource: string,
  { name, current, received }: {
    readonly name: string;
    readonly current: FieldValue | undefined;
    readonly received: FieldValue | undefined;
  },
): void {
  if (current === undefined && received === undefined) return;
  if (current !== undefined && received !== undefined) {
    if (fieldValuesEqual(current, received)) return;
    throw inequivalent(resource, {
      name,
      current: printValue(current),
      received: printValue(received),
    });
  }
  if (name === "x-queue-type" && textOf(current ?? received) === "classic") return;
  throw inequivalent(resource, {
    name,
    current: describeFieldValue(current),
    received: describeFieldValue(received),
  });
}

/** Returns RabbitMQ's error for a declaration that differs from the first. */
export function inequivalent(
  resource: string,
  { name, current, received }: {
    readonly name: string;
    readonly current: string;
    readonly received: string;
  },
): AmqpError {
  return new AmqpError(
    "precondition-failed",
    `inequivalent arg '${name}' for ${resource}: received ${received} but current is ${current}`,
  );
}

/** Returns the text of the argument that names the type of a queue, if it names one that is known. */
export function knownQueueType(
  table: FieldTable,
  { takesEmptyQueueType }: VersionRules,
): QueueType | undefined {
  const type = textOf(table.get("x-queue-type")) ?? "classic";
  if (type === "" && takesEmptyQueueType) return "classic";
  return type === "classic" || type === "quorum" ? type : undefined;
}

function printValue(value: FieldValue): string {
  const text = textOf(value) ?? String(value.value);
  const isWholeFloat = (value.type === "double" || value.type === "float") &&
    Number.isInteger(value.value);
  return isWholeFloat ? `'${text}.0'` : `'${text}'`;
}

function queueTypeOf(resource: string, table: FieldTable, rules: VersionRules): QueueType {
  const value = table.get("x-queue-type");
  const type = textOf(value);
  const known = value === undefined || type !== undefined
    ? knownQueueType(table, rules)
    : undefined;
  if (known !== undefined) return known;
  if (type === "stream") {
    throw new AmqpError("not-implemented", "stream queues are not part of the test broker");
  }
  const fault = type === undefined
    ? `{unacceptable_type,${value?.type}}`
    : `"unsupported queue type '${type}'"`;
  throw invalidArgument("x-queue-type", resource, `: ${fault}`);
}

/** Quorum queues take the overflow that they do not know for the default. */
function overflowOf(table: FieldTable, type: QueueType): Overflow {
  const text = textOf(table.get("x-overflow"));
  if (text === "reject-publish-dlx" && type === "classic") return text;
  return text === "reject-publish" ? text : "drop-head";
}

/** From version 4 on a negative limit is none; before it is a limit that each return exceeds. */
function deliveryLimitOf(table: FieldTable, rules: VersionRules): number | undefined {
  const limit = integerOf(table.get("x-delivery-limit"));
  if (limit === undefined) return rules.deliveryLimit;
  return limit < 0 && rules.deliveryLimit !== undefined ? undefined : limit;
}
