/** Checks of the arguments of queues and consumers: which a version knows, and their values. @module */

import { AmqpError } from "../wire/amqp_error.ts";
import { type FieldTable, type FieldValue, textOf } from "../wire/field_value.ts";
import { MAX_EXPIRY_MS } from "./message.ts";
import type { VersionRules } from "./version_rules.ts";

/** The queue types that the broker knows. */
export type QueueType = "classic" | "quorum";

type ArgumentCheck = (value: FieldValue, all: FieldTable) => string | undefined;
type ArgumentNames = Record<QueueType, readonly string[]>;

/** Checks of values, in the order in which RabbitMQ makes them. */
const QUEUE_CHECKS: Record<string, ArgumentCheck> = {
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
  "x-queue-version": versionFault([1n, 2n]),
  "x-single-active-consumer": boolFault,
  "x-consumer-timeout": countFault,
  "x-consumer-disconnected-timeout": countFault,
  "x-quorum-initial-group-size": (value) => countFault(value) ?? zeroFault(value),
  "x-queue-leader-locator": locatorFault(["min-masters"]),
};

const QUEUE_CHECKS_3_10: Record<string, ArgumentCheck> = {
  ...QUEUE_CHECKS,
  "x-queue-leader-locator": locatorFault([]),
};

const { "x-queue-mode": _, ...LATE_QUEUE_CHECKS } = QUEUE_CHECKS;

/** Version 4.3 has one kind of classic queues, and looks at no mode of them. */
const QUEUE_CHECKS_4_3: Record<string, ArgumentCheck> = {
  ...LATE_QUEUE_CHECKS,
  "x-queue-version": versionFault([2n]),
};

/** In the order in which RabbitMQ compares them: the first that differs is the one in the text. */
const QUEUE_ARGUMENTS_3_10: ArgumentNames = {
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
const QUEUE_ARGUMENTS_4_0: ArgumentNames = {
  classic: [...QUEUE_ARGUMENTS_3_10.classic, "x-queue-leader-locator"],
  quorum: QUEUE_ARGUMENTS_3_10.quorum,
};
const QUEUE_ARGUMENTS_4_3: ArgumentNames = {
  classic: QUEUE_ARGUMENTS_4_0.classic,
  quorum: [
    ...QUEUE_ARGUMENTS_3_10.quorum,
    "x-consumer-disconnected-timeout",
    "x-consumer-timeout",
    "x-delayed-retry-type",
    "x-delayed-retry-min",
    "x-delayed-retry-max",
  ],
};
const STREAM_ARGUMENTS = ["x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size"];

const CONSUMER_CHECKS: Record<string, ArgumentCheck> = {
  "x-priority": integerFault,
  "x-cancel-on-ha-failover": boolFault,
  "x-consumer-timeout": countFault,
};

interface VersionArguments {
  readonly queueChecks: Readonly<Record<string, ArgumentCheck>>;
  readonly queue: ArgumentNames;
  readonly streams: readonly string[];
  readonly consumer: ArgumentNames;
  readonly streamConsumers: readonly string[];
}

const VERSION_ARGUMENTS: Record<VersionRules["compat"], VersionArguments> = {
  "3.10": {
    queueChecks: QUEUE_CHECKS_3_10,
    queue: QUEUE_ARGUMENTS_3_10,
    streams: STREAM_ARGUMENTS,
    consumer: {
      classic: ["x-cancel-on-ha-failover", "x-priority", "x-credit"],
      quorum: ["x-priority", "x-credit"],
    },
    streamConsumers: ["x-stream-offset"],
  },
  "4.0": {
    queueChecks: QUEUE_CHECKS,
    queue: QUEUE_ARGUMENTS_4_0,
    streams: STREAM_ARGUMENTS,
    consumer: { classic: ["x-priority"], quorum: ["x-priority"] },
    streamConsumers: ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"],
  },
  "4.3": {
    queueChecks: QUEUE_CHECKS_4_3,
    queue: QUEUE_ARGUMENTS_4_3,
    streams: [...STREAM_ARGUMENTS, "x-stream-filter-size-bytes"],
    consumer: { classic: ["x-priority"], quorum: ["x-priority", "x-consumer-timeout"] },
    streamConsumers: ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered"],
  },
};

/** What arguments belong to, as RabbitMQ's texts name it. */
export interface ArgumentOwner {
  /** The queue. */
  readonly resource: string;
  /** Its type. */
  readonly type: QueueType;
  /** What the version does. */
  readonly rules: VersionRules;
}

/**
 * Checks the arguments of a queue as RabbitMQ does.
 *
 * @throws {AmqpError} If one is not acceptable for the type of the queue.
 */
export function checkQueueArguments(owner: ArgumentOwner, table: FieldTable): void {
  const { queueChecks, queue, streams } = VERSION_ARGUMENTS[owner.rules.compat];
  checkValues(owner, table, { checks: queueChecks, names: queue[owner.type] });
  checkNames(owner, table, { names: queue[owner.type], others: [...allOf(queue), ...streams] });
}

/**
 * Checks the arguments of a consumer as RabbitMQ does.
 *
 * @throws {AmqpError} If one is not acceptable for the type of the queue.
 */
export function checkConsumerArguments(owner: ArgumentOwner, table: FieldTable): void {
  const { consumer, streamConsumers } = VERSION_ARGUMENTS[owner.rules.compat];
  const names = consumer[owner.type];
  checkValues(owner, table, { checks: CONSUMER_CHECKS, names });
  checkNames(owner, table, { names, others: [...allOf(consumer), ...streamConsumers] });
}

/** Returns the arguments in which two declarations of a queue must agree. */
export function queueArgumentNames({ type, rules }: ArgumentOwner): readonly string[] {
  return VERSION_ARGUMENTS[rules.compat].queue[type];
}

/** Returns RabbitMQ's error for an argument. */
export function invalidArgument(name: string, resource: string, fault: string): AmqpError {
  return new AmqpError("precondition-failed", `invalid arg '${name}' for ${resource}${fault}`);
}

function checkValues(
  { resource }: ArgumentOwner,
  table: FieldTable,
  { checks, names }: {
    readonly checks: Readonly<Record<string, ArgumentCheck>>;
    readonly names: readonly string[];
  },
): void {
  for (const [name, check] of Object.entries(checks)) {
    const value = table.get(name);
    if (value === undefined || !names.includes(name)) continue;
    const fault = check(value, table);
    if (fault !== undefined) throw invalidArgument(name, resource, `: ${fault}`);
  }
}

function checkNames(
  { resource, type }: ArgumentOwner,
  table: FieldTable,
  { names, others }: { readonly names: readonly string[]; readonly others: readonly string[] },
): void {
  for (const name of table.keys()) {
    if (!others.includes(name) || names.includes(name)) continue;
    throw invalidArgument(name, resource, ` of queue type rabbit_${type}_queue`);
  }
}

function allOf({ classic, quorum }: ArgumentNames): readonly string[] {
  return [...classic, ...quorum];
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

function boolFault(value: FieldValue): string | undefined {
  return value.type === "bool" ? undefined : `{unacceptable_type,${value.type}}`;
}

function oneOf(value: FieldValue, allowed: readonly string[], fault: string): string | undefined {
  return allowed.includes(textOf(value) ?? "") ? undefined : fault;
}

function versionFault(versions: readonly bigint[]): ArgumentCheck {
  return (value) => {
    const fault = countFault(value);
    if (fault !== undefined) return fault;
    if (versions.some((version) => version === value.value)) return undefined;
    return `"unsupported queue version '${value.value}'"`;
  };
}

function locatorFault(more: readonly string[]): ArgumentCheck {
  const allowed = ["client-local", "balanced", "random", "least-leaders", ...more];
  return (value) => textFault(value) ?? oneOf(value, allowed, "invalid_queue_locator_arg");
}
