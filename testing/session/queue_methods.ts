/** The methods of class queue. @module */

import type { Queue } from "../model/queue.ts";
import {
  assertQueueArguments,
  inequivalent,
  keptArguments,
  knownQueueType,
  parseQueueSettings,
} from "../model/queue_settings.ts";
import { REPLY_TO_PREFIX } from "../model/reply_consumers.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { type FieldTable, textOf } from "../wire/field_value.ts";
import type { MethodArguments } from "../wire/methods.ts";
import { bind, unbind } from "./bindings.ts";
import type { Channel } from "./channel.ts";
import { declareReplyAddress } from "./direct_reply_to.ts";
import { assertNotReserved, generateName, resolveQueueName, stripLineBreaks } from "./names.ts";
import { assertAccess, locked } from "./queue_access.ts";

/** Handles `queue.declare`. */
export function declareQueue(channel: Channel, values: MethodArguments<"queue.declare">): void {
  const name = stripLineBreaks(values.queue);
  if (name.startsWith(REPLY_TO_PREFIX)) {
    return declareReplyAddress(channel, { ...values, queue: name });
  }
  const queue = values.passive
    ? findQueue(channel, name)
    : findOrCreate(channel, { ...values, queue: name });
  queue.touch();
  channel.lastQueueName = queue.name;
  if (values.nowait) return;
  channel.send("queue.declare-ok", {
    queue: queue.name,
    messageCount: queue.messageCount,
    consumerCount: queue.consumers.length,
  });
}

/** Handles `queue.delete`. */
export function deleteQueue(channel: Channel, values: MethodArguments<"queue.delete">): void {
  const { virtualHost, user } = channel.host;
  const name = stripLineBreaks(resolveQueueName(channel, values.queue));
  user.assertMay("configure", { kind: "queue", name, virtualHost: virtualHost.name });
  const queue = virtualHost.findQueue(name);
  if (queue !== undefined) assertDeletable(channel, queue, values);
  if (!values.nowait) {
    channel.send("queue.delete-ok", { messageCount: queue?.messageCount ?? 0 });
  }
  // After the answer, because RabbitMQ tells consumers later.
  if (queue !== undefined) virtualHost.deleteQueue(queue);
}

/** Handles `queue.purge`. */
export function purgeQueue(channel: Channel, values: MethodArguments<"queue.purge">): void {
  const { virtualHost, user } = channel.host;
  const name = resolveQueueName(channel, values.queue);
  user.assertMay("read", { kind: "queue", name, virtualHost: virtualHost.name });
  const queue = virtualHost.queue(name);
  assertAccess(channel, queue);
  const messageCount = queue.purge();
  if (!values.nowait) channel.send("queue.purge-ok", { messageCount });
}

/** Handles `queue.bind`. */
export function bindQueue(channel: Channel, values: MethodArguments<"queue.bind">): void {
  const name = resolveQueueName(channel, values.queue);
  const usesLast = values.queue === "" && values.routingKey === "";
  bind(channel, {
    source: values.exchange,
    destination: { kind: "queue", name },
    key: { ...values, routingKey: usesLast ? name : values.routingKey },
  });
  if (!values.nowait) channel.send("queue.bind-ok", {});
}

/** Handles `queue.unbind`. */
export function unbindQueue(channel: Channel, values: MethodArguments<"queue.unbind">): void {
  const name = resolveQueueName(channel, values.queue);
  const usesLast = values.queue === "" && values.routingKey === "";
  unbind(channel, {
    source: values.exchange,
    destination: { kind: "queue", name },
    key: { ...values, routingKey: usesLast ? name : values.routingKey },
  });
  channel.send("queue.unbind-ok", {});
}

function assertDeletable(
  channel: Channel,
  queue: Queue,
  { ifEmpty, ifUnused }: MethodArguments<"queue.delete">,
): void {
  assertAccess(channel, queue);
  const resource = channel.host.virtualHost.describe({ kind: "queue", name: queue.name });
  if (queue.declaration.settings.type === "quorum" && (ifUnused || ifEmpty)) {
    throw new AmqpError(
      "not-implemented",
      `cannot delete ${resource}. queue.delete operations with ` +
        `${ifUnused ? "if-unused" : "if-empty"} flag set are not supported by quorum queues`,
    );
  }
  if (ifEmpty && queue.messageCount > 0) {
    throw new AmqpError("precondition-failed", `${resource} not empty`);
  }
  if (ifUnused && queue.consumers.length > 0) {
    throw new AmqpError("precondition-failed", `${resource} in use`);
  }
}

function findQueue(channel: Channel, name: string): Queue {
  const { virtualHost, user } = channel.host;
  if (virtualHost.rules.guardsPassiveDeclare) {
    user.assertMayAny({ kind: "queue", name, virtualHost: virtualHost.name });
  }
  const queue = virtualHost.queue(name);
  assertAccess(channel, queue);
  return queue;
}

function findOrCreate(channel: Channel, declared: MethodArguments<"queue.declare">): Queue {
  const { virtualHost, user } = channel.host;
  const values = { ...declared, arguments: keptArguments(declared.arguments, virtualHost.rules) };
  const isServerNamed = values.queue === "";
  if (isServerNamed) assertServerNamed(channel, values.arguments);
  else assertNotReserved("queue", values.queue);
  const name = isServerNamed ? generateName("amq.gen") : values.queue;
  user.assertMay("configure", { kind: "queue", name, virtualHost: virtualHost.name });
  const existing = virtualHost.findQueue(name);
  if (existing === undefined) return create(channel, { ...values, queue: name });
  assertEquivalent(channel, existing, values);
  return existing;
}

/** Classic queues alone may have a name of the broker's choice. */
function assertServerNamed(channel: Channel, table: FieldTable): void {
  const type = knownQueueType(table, channel.host.virtualHost.rules);
  if (type === "classic") return;
  if (type === "quorum") {
    throw new AmqpError(
      "precondition-failed",
      "Cannot declare a server-named queue for type rabbit_quorum_queue",
    );
  }
  // Before 4.3 RabbitMQ stumbles over a type that it does not know.
  if (!channel.host.virtualHost.rules.routesDirectReplies) throw new AmqpError("internal-error");
  const text = textOf(table.get("x-queue-type"));
  throw new AmqpError("precondition-failed", `unknown queue type '${text ?? ""}'`);
}

function assertEquivalent(
  channel: Channel,
  existing: Queue,
  values: MethodArguments<"queue.declare">,
): void {
  const { declaration } = existing;
  const resource = channel.host.virtualHost.describe({ kind: "queue", name: existing.name });
  const pairs = [
    ["durable", declaration.durable, values.durable && !values.exclusive],
    ["auto_delete", declaration.autoDelete, values.autoDelete],
  ] as const;
  const received = values.exclusive ? channel.host : undefined;
  if (declaration.owner !== received) {
    if (declaration.owner !== undefined || received !== undefined) throw locked(channel, existing);
  }
  for (const [name, current, wanted] of pairs) {
    if (current === wanted) continue;
    throw inequivalent(resource, { name, current: `'${current}'`, received: `'${wanted}'` });
  }
  const { type } = declaration.settings;
  const { rules } = channel.host.virtualHost;
  assertQueueArguments(
    { resource, type, rules },
    { current: declaration.arguments, received: values.arguments },
  );
}

function create(channel: Channel, values: MethodArguments<"queue.declare">): Queue {
  const { virtualHost } = channel.host;
  const { queue: name, exclusive, autoDelete } = values;
  const { rules } = virtualHost;
  const resource = virtualHost.describe({ kind: "queue", name });
  const durable = values.durable && !exclusive;
  assertDeadLetterRights(channel, values);
  const settings = parseQueueSettings(resource, values.arguments, rules);
  assertMasterLocator(channel, values.arguments);
  if (!rules.permitsTransientQueues && !durable && !exclusive) {
    throw deprecated("transient_nonexcl_queues");
  }
  if (settings.type === "quorum") assertQuorumProperties(resource, { ...values, durable });
  return virtualHost.declareQueue({
    name,
    durable,
    autoDelete,
    owner: exclusive ? channel.host : undefined,
    arguments: values.arguments,
    settings,
  });
}

/** Version 3.10 stumbles over a locator that it does not know; 4.3 denies all of them. */
function assertMasterLocator(channel: Channel, table: FieldTable): void {
  const value = table.get("x-queue-master-locator");
  if (value === undefined) return;
  const { masterLocator } = channel.host.virtualHost.rules;
  if (masterLocator === "denied") throw deprecated("queue_master_locator");
  const isKnown = ["client-local", "min-masters", "random"].includes(textOf(value) ?? "");
  if (masterLocator === "checked" && !isKnown) throw new AmqpError("internal-error");
}

/** Who gives a queue a dead-letter exchange must be able to read it and to write there. */
function assertDeadLetterRights(
  channel: Channel,
  { queue: name, arguments: table }: MethodArguments<"queue.declare">,
): void {
  const { virtualHost, user } = channel.host;
  const exchange = table.get("x-dead-letter-exchange");
  if (exchange === undefined) return;
  const exchangeName = textOf(exchange);
  if (exchangeName === undefined) {
    const resource = virtualHost.describe({ kind: "queue", name });
    throw new AmqpError(
      "precondition-failed",
      `invalid type '${exchange.type}' for arg 'x-dead-letter-exchange' in ${resource}`,
    );
  }
  const where = { virtualHost: virtualHost.name };
  user.assertMay("read", { ...where, kind: "queue", name });
  user.assertMay("write", { ...where, kind: "exchange", name: exchangeName });
}

/** Returns RabbitMQ's error for a feature that its version denies by default. */
function deprecated(feature: string): AmqpError {
  return new AmqpError(
    "internal-error",
    `Feature \`${feature}\` is deprecated.\nBy default, this feature is not permitted anymore.\n` +
      "The feature will be removed from a future major RabbitMQ version, regardless of the " +
      "configuration; actual version to be determined.\nTo continue using this feature when it " +
      "is not permitted by default, set the following parameter in your configuration:",
  );
}

function assertQuorumProperties(
  resource: string,
  { durable, exclusive, autoDelete }: {
    readonly durable: boolean;
    readonly exclusive: boolean;
    readonly autoDelete: boolean;
  },
): void {
  const faults = [
    ["auto-delete", autoDelete],
    ["exclusive-owner", exclusive],
    ["non-durable", !durable],
  ] as const;
  for (const [property, isFault] of faults) {
    if (!isFault) continue;
    throw new AmqpError("precondition-failed", `invalid property '${property}' for ${resource}`);
  }
}
