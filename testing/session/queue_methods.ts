/** The methods of class queue. @module */

import type { Queue } from "../model/queue.ts";
import { assertQueueArguments, inequivalent, parseQueueSettings } from "../model/queue_settings.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { textOf } from "../wire/field_value.ts";
import type { MethodArguments } from "../wire/methods.ts";
import { bind, unbind } from "./bindings.ts";
import type { Channel } from "./channel.ts";
import { REPLY_TO_PREFIX } from "./direct_reply_to.ts";
import { assertNotReserved, generateName, resolveQueueName, stripLineBreaks } from "./names.ts";
import { assertAccess, locked } from "./queue_access.ts";

/** RabbitMQ 4 limits redeliveries by default. */
const DEFAULT_DELIVERY_LIMIT = { "3.10": undefined, "4": 20 } as const;

/** Handles `queue.declare`. */
export function declareQueue(channel: Channel, values: MethodArguments<"queue.declare">): void {
  const { virtualHost } = channel.host;
  const name = stripLineBreaks(values.queue);
  if (name.startsWith(REPLY_TO_PREFIX)) {
    return declareReplyAddress(channel, { ...values, queue: name });
  }
  let queue: Queue;
  if (values.passive) {
    queue = virtualHost.queue(name);
    assertAccess(channel, queue);
  } else queue = findOrCreate(channel, { ...values, queue: name });
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

function declareReplyAddress(
  channel: Channel,
  { queue, nowait }: MethodArguments<"queue.declare">,
): void {
  const { virtualHost } = channel.host;
  if (queue !== REPLY_TO_PREFIX && !virtualHost.hasReplyConsumer(queue)) virtualHost.queue(queue);
  if (nowait) return;
  channel.send("queue.declare-ok", { queue, messageCount: 0, consumerCount: 1 });
}

function findOrCreate(channel: Channel, values: MethodArguments<"queue.declare">): Queue {
  const { virtualHost, user } = channel.host;
  const isServerNamed = values.queue === "";
  if (!isServerNamed) assertNotReserved("queue", values.queue);
  const name = isServerNamed ? generateName("amq.gen") : values.queue;
  user.assertMay("configure", { kind: "queue", name, virtualHost: virtualHost.name });
  const existing = virtualHost.findQueue(name);
  if (existing === undefined) return create(channel, { ...values, queue: name }, isServerNamed);
  assertEquivalent(channel, existing, values);
  return existing;
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
  assertQueueArguments(resource, {
    type: declaration.settings.type,
    current: declaration.arguments,
    received: values.arguments,
  });
}

function create(
  channel: Channel,
  values: MethodArguments<"queue.declare">,
  isServerNamed: boolean,
): Queue {
  const { virtualHost, user, context: { compat } } = channel.host;
  const { queue: name, exclusive, autoDelete } = values;
  const resource = virtualHost.describe({ kind: "queue", name });
  const durable = values.durable && !exclusive;
  const settings = parseQueueSettings(resource, values.arguments, DEFAULT_DELIVERY_LIMIT[compat]);
  assertCreatable(resource, {
    ...values,
    durable,
    isQuorum: settings.type === "quorum",
    isServerNamed,
  });
  if (compat === "4" && !durable && !exclusive) {
    throw new AmqpError(
      "internal-error",
      "Feature `transient_nonexcl_queues` is deprecated and not permitted: " +
        "declare the queue durable or exclusive",
    );
  }
  const deadLetterExchange = textOf(values.arguments.get("x-dead-letter-exchange"));
  if (deadLetterExchange !== undefined) {
    const where = { virtualHost: virtualHost.name };
    user.assertMay("read", { ...where, kind: "queue", name });
    user.assertMay("write", { ...where, kind: "exchange", name: deadLetterExchange });
  }
  return virtualHost.declareQueue({
    name,
    durable,
    autoDelete,
    owner: exclusive ? channel.host : undefined,
    arguments: values.arguments,
    settings,
  });
}

function assertCreatable(
  resource: string,
  { isQuorum, isServerNamed, durable, exclusive, autoDelete }: {
    readonly isQuorum: boolean;
    readonly isServerNamed: boolean;
    readonly durable: boolean;
    readonly exclusive: boolean;
    readonly autoDelete: boolean;
  },
): void {
  if (!isQuorum) return;
  if (isServerNamed) {
    throw new AmqpError(
      "precondition-failed",
      "Cannot declare a server-named queue for type rabbit_quorum_queue",
    );
  }
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
