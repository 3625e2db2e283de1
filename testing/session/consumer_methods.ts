/** The methods of class basic that begin and end consuming. @module */

import { checkConsumerArguments } from "../model/argument_checks.ts";
import { type Consumer, QUORUM_PREFETCH } from "../model/consumer.ts";
import type { Queue } from "../model/queue.ts";
import { REPLY_TO_PREFIX } from "../model/reply_consumers.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { type FieldTable, integerOf } from "../wire/field_value.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import { cancelReplies, consumeReplies } from "./direct_reply_to.ts";
import { generateName, resolveQueueName } from "./names.ts";
import { assertAccess } from "./queue_access.ts";

/** Handles `basic.consume`. */
export function consume(channel: Channel, values: MethodArguments<"basic.consume">): void {
  const { virtualHost, user } = channel.host;
  // RabbitMQ looks for the queue that is meant before it looks at the tag.
  const name = resolveQueueName(channel, values.queue);
  assertTagIsFree(channel, values.consumerTag);
  if (name === REPLY_TO_PREFIX) return consumeReplies(channel, values);
  user.assertMay("read", { kind: "queue", name, virtualHost: virtualHost.name });
  const queue = virtualHost.queue(name);
  assertAccess(channel, queue);
  assertConsumable(channel, queue, values);
  const consumer: Consumer = {
    tag: values.consumerTag === "" ? generateName("amq.ctag") : values.consumerTag,
    number: channel.nextConsumerNumber++,
    noAck: values.noAck,
    exclusive: values.exclusive,
    priority: integerOf(values.arguments.get("x-priority")) ?? 0,
    prefetch: prefetchOf(channel, queue),
    sink: channel,
    timeoutMs: timeoutOf(values.arguments, queue),
    unacked: 0,
    overdue: 0,
  };
  channel.subscriptions.set(consumer.tag, { consumer, queue });
  if (!values.nowait) channel.send("basic.consume-ok", { consumerTag: consumer.tag });
  queue.addConsumer(consumer);
}

/** Handles `basic.cancel`; a consumer that does not exist is no fault. */
export function cancel(channel: Channel, values: MethodArguments<"basic.cancel">): void {
  const { consumerTag } = values;
  // Before the deliveries to who is served next.
  if (!values.nowait) channel.send("basic.cancel-ok", { consumerTag });
  if (cancelReplies(channel, consumerTag)) return;
  const subscription = channel.subscriptions.get(consumerTag);
  if (subscription === undefined) return;
  channel.subscriptions.delete(consumerTag);
  subscription.queue.removeConsumer(subscription.consumer);
}

/** Handles `basic.qos`. */
export function setQos(channel: Channel, values: MethodArguments<"basic.qos">): void {
  if (values.prefetchSize !== 0) {
    throw new AmqpError("not-implemented", `prefetch_size!=0 (${values.prefetchSize})`);
  }
  // Before the deliveries that it causes.
  channel.send("basic.qos-ok", {});
  if (values.global && channel.host.virtualHost.rules.hasGlobalPrefetch) {
    return channel.setGlobalPrefetch(values.prefetchCount);
  }
  channel.consumerPrefetch = values.prefetchCount;
  channel.setGlobalPrefetch(0);
}

/** Quorum queues bound those, too, who set no prefetch. */
function prefetchOf({ consumerPrefetch }: Channel, { declaration: { settings } }: Queue): number {
  return consumerPrefetch === 0 && settings.type === "quorum" ? QUORUM_PREFETCH : consumerPrefetch;
}

/** Since 4.3 consumers of quorum queues may have a timeout of their own. */
function timeoutOf(table: FieldTable, { rules }: Queue): number | undefined {
  const hasOwn = rules.consumerTimeoutEnds === "consumer";
  return hasOwn ? integerOf(table.get("x-consumer-timeout")) : undefined;
}

function assertTagIsFree(channel: Channel, tag: string): void {
  if (tag === "" || !channel.subscriptions.has(tag)) return;
  throw new AmqpError("not-allowed", `attempt to reuse consumer tag '${tag}'`);
}

function assertConsumable(
  channel: Channel,
  queue: Queue,
  { exclusive, arguments: table }: MethodArguments<"basic.consume">,
): void {
  const { virtualHost, context: { limits } } = channel.host;
  const resource = virtualHost.describe({ kind: "queue", name: queue.name });
  if (channel.subscriptions.size >= limits.maxConsumers) {
    throw new AmqpError(
      "precondition-failed",
      `cannot consume from ${resource}: consumer limit of the channel (${limits.maxConsumers}) is reached`,
    );
  }
  const { type } = queue.declaration.settings;
  checkConsumerArguments({ resource, type, rules: queue.rules }, table);
  if (channel.hasGlobalPrefetch && queue.declaration.settings.type === "quorum") {
    throw new AmqpError("not-implemented", `${resource} does not support global qos`);
  }
  const { consumers, declaration: { settings } } = queue;
  // Quorum queues take no notice of exclusive consumers.
  if (settings.type === "quorum") return;
  const isShared = consumers.length > 0 || settings.singleActiveConsumer;
  if (consumers.some((other) => other.exclusive) || (exclusive && isShared)) {
    throw new AmqpError("access-refused", `${resource} in exclusive use`);
  }
}
