/** Arguments of `queue.declare`: their checks, their meaning, their equivalence. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import {
  describeFieldValue,
  type FieldTable,
  type FieldValue,
  fieldValuesEqual,
  integerOf,
  textOf,
} from "../wire/field_value.ts";
import { MAX_EXPIRY_MS } from "./message.ts";

/** The queue types that the broker knows. */
export type QueueType = "classic" | "quorum";

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
}

type ArgumentCheck = (value: FieldValue, all: FieldTable) => string | undefined;

const CHECKS: Record<string, ArgumentCheck> = {
  "x-expires": (value) => integerFault(value) ?? zeroFault(value) ?? expiryFault(value),
  "x-message-ttl": (value) => integerFault(value) ?? expiryFault(value),
  "x-dead-letter-exchange": textFault,
  "x-dead-letter-routing-key": (value, all) =>
    textFault(value) ??
      (all.has("x-dead-letter-exchange") ? undefined : "routing_key_but_no_dlx_defined"),
  "x-dead-letter-strategy": (value) =>
    textFault(value) ?? oneOf(value, ["at-most-once", "at-least-once"], "invalid_dlx_strategy"),
  "x-max-length": countFault,
  "x-max-length-bytes": countFault,
  "x-max-in-memory-length": countFault,
  "x-max-in-memory-bytes": countFault,
  "x-max-priority": (value) =>
    countFault(value) ??
      (Number(value.value) > 255 ? `{max_value_exceeded,${value.value}}` : undefined),
  "x-overflow": (value) =>
    textFault(value) ??
      oneOf(value, ["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow"),
  "x-queue-mode": (value) =>
    textFault(value) ??
      oneOf(value, ["default", "lazy"], `"unsupported queue mode '${textOf(value)}'"`),
  "x-single-active-consumer": (value) =>
    value.type === "bool" ? undefined : `{unacceptable_type,${value.type}}`,
  "x-quorum-initial-group-size": (value) => countFault(value) ?? zeroFault(value),
};

/** In the order in which RabbitMQ compares them: the first that differs is the one in the text. */
const ARGUMENTS: Record<QueueType, readonly string[]> = {
  classic: [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
  ],
  quorum: [
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
  ],
};
const ALL_ARGUMENTS = new Set([
  ...ARGUMENTS.classic,
  ...ARGUMENTS.quorum,
  "x-max-age",
  "x-stream-max-segment-size-bytes",
  "x-initial-cluster-size",
]);

/**
 * Checks arguments as RabbitMQ does and returns their meaning.
 *
 * @throws {AmqpError} If an argument is not acceptable for the type of the queue.
 */
export function parseQueueSettings(
  resource: string,
  table: FieldTable,
  defaultDeliveryLimit: number | undefined,
): QueueSettings {
  const type = queueTypeOf(resource, table);
  for (const [name, check] of Object.entries(CHECKS)) {
    const value = table.get(name);
    if (value === undefined || !ARGUMENTS[type].includes(name)) continue;
    const fault = check(value, table);
    if (fault !== undefined) throw invalidArgument(name, resource, `: ${fault}`);
  }
  for (const name of table.keys()) {
    if (ALL_ARGUMENTS.has(name) && !ARGUMENTS[type].includes(name)) {
      throw invalidArgument(name, resource, ` of queue type rabbit_${type}_queue`);
    }
  }
  const deliveryLimit = integerOf(table.get("x-delivery-limit")) ?? defaultDeliveryLimit;
  return {
    type,
    messageTtlMs: integerOf(table.get("x-message-ttl")),
    expiresMs: integerOf(table.get("x-expires")),
    maxLength: integerOf(table.get("x-max-length")),
    maxLengthBytes: integerOf(table.get("x-max-length-bytes")),
    maxPriority: integerOf(table.get("x-max-priority")) ?? 0,
    overflow: overflowOf(table),
    deadLetterExchange: textOf(table.get("x-dead-letter-exchange")),
    deadLetterRoutingKey: textOf(table.get("x-dead-letter-routing-key")),
    deliveryLimit: type === "quorum" ? deliveryLimit : undefined,
    singleActiveConsumer: table.get("x-single-active-consumer")?.value === true,
  };
}

/**
 * Checks that a second declaration has the arguments of the first.
 *
 * @throws {AmqpError} If one of the queue type's arguments differs.
 */
export function assertQueueArguments(
  resource: string,
  { type, current, received }: {
    readonly type: QueueType;
    readonly current: FieldTable;
    readonly received: FieldTable;
  },
): void {
  for (const name of ARGUMENTS[type]) {
    assertArgument(resource, { name, current: current.get(name), received: received.get(name) });
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

function printValue(value: FieldValue): string {
  return `'${textOf(value) ?? String(value.value)}'`;
}

function queueTypeOf(resource: string, table: FieldTable): QueueType {
  const value = table.get("x-queue-type");
  if (value === undefined) return "classic";
  const type = textOf(value);
  if (type === "classic" || type === "quorum") return type;
  if (type === "stream") {
    throw new AmqpError("not-implemented", "stream queues are not part of the test broker");
  }
  const fault = type === undefined
    ? `{unacceptable_type,${value.type}}`
    : `"unsupported queue type '${type}'"`;
  throw invalidArgument("x-queue-type", resource, `: ${fault}`);
}

function overflowOf(table: FieldTable): Overflow {
  const text = textOf(table.get("x-overflow"));
  return text === "reject-publish" || text === "reject-publish-dlx" ? text : "drop-head";
}

function invalidArgument(name: string, resource: string, fault: string): AmqpError {
  return new AmqpError("precondition-failed", `invalid arg '${name}' for ${resource}${fault}`);
}

function integerFault(value: FieldValue): string | undefined {
  if (typeof value.value === "bigint" && value.type !== "timestamp") return undefined;
  return `"expected integer, got ${value.type}"`;
}

function countFault(value: FieldValue): string | undefined {
  return integerFault(value) ?? negativeFault(value);
}

function negativeFault(value: FieldValue): string | undefined {
  return Number(value.value) < 0 ? `{value_negative,${value.value}}` : undefined;
}

function zeroFault(value: FieldValue): string | undefined {
  return value.value === 0n ? "{value_zero,0}" : undefined;
}

function expiryFault(value: FieldValue): string | undefined {
  const tooLarge = Number(value.value) > MAX_EXPIRY_MS;
  return negativeFault(value) ?? (tooLarge ? `{value_too_large,${value.value}}` : undefined);
}

function textFault(value: FieldValue): string | undefined {
  return value.type === "longstr" ? undefined : `{unacceptable_type,${value.type}}`;
}

function oneOf(value: FieldValue, allowed: readonly string[], fault: string): string | undefined {
  return allowed.includes(textOf(value) ?? "") ? undefined : fault;
}
