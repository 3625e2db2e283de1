/** The methods of class basic that begin and end consuming. @module */

import type { Consumer } from "../model/consumer.ts";
import type { Queue } from "../model/queue.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import { integerOf } from "../wire/field_value.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import { cancelReplies, consumeReplies, REPLY_TO_PREFIX } from "./direct_reply_to.ts";
import { generateName, resolveQueueName } from "./names.ts";
import { assertAccess } from "./queue_access.ts";

/** Handles `basic.consume`. */
export function consume(channel: Channel, values: MethodArguments<"basic.consume">): void {
  const { virtualHost, user } = channel.host;
  assertTagIsFree(channel, values.consumerTag);
  if (values.queue === REPLY_TO_PREFIX) return consumeReplies(channel, values);
  const name = resolveQueueName(channel, values.queue);
  user.assertMay("read", { kind: "queue", name, virtualHost: virtualHost.name });
  const queue = virtualHost.queue(name);
  assertAccess(channel, queue);
  assertConsumable(channel, queue, values.exclusive);
  const consumer: Consumer = {
    tag: values.consumerTag === "" ? generateName("amq.ctag") : values.consumerTag,
    noAck: values.noAck,
    exclusive: values.exclusive,
    priority: integerOf(values.arguments.get("x-priority")) ?? 0,
    prefetch: channel.consumerPrefetch,
    sink: channel,
    unacked: 0,
  };
  channel.subscriptions.set(consumer.tag, { consumer, queue });
  if (!values.nowait) channel.send("basic.consume-ok", { consumerTag: consumer.tag });
  queue.addConsumer(consumer);
}

/** Handles `basic.cancel`; a consumer that does not exist is no fault. */
export function cancel(channel: Channel, values: MethodArguments<"basic.cancel">): void {
  const { consumerTag } = values;
  const subscription = channel.subscriptions.get(consumerTag);
  if (!cancelReplies(channel, consumerTag) && subscription !== undefined) {
    channel.subscriptions.delete(consumerTag);
    subscription.queue.removeConsumer(subscription.consumer);
  }
  if (!values.nowait) channel.send("basic.cancel-ok", { consumerTag });
}

/** Handles `basic.qos`. */
export function setQos(channel: Channel, values: MethodArguments<"basic.qos">): void {
  if (values.prefetchSize !== 0) {
    throw new AmqpError("not-implemented", `prefetch_size!=0 (${values.prefetchSize})`);
  }
  if (values.global) channel.setGlobalPrefetch(values.prefetchCount);
  else {
    channel.consumerPrefetch = values.prefetchCount;
    channel.setGlobalPrefetch(0);
  }
  channel.send("basic.qos-ok", {});
}

function assertTagIsFree(channel: Channel, tag: string): void {
  if (tag === "" || !channel.subscriptions.has(tag)) return;
  throw new AmqpError("not-allowed", `attempt to reuse consumer tag '${tag}'`);
}

function assertConsumable(channel: Channel, queue: Queue, exclusive: boolean): void {
  const { virtualHost, context: { limits } } = channel.host;
  const resource = virtualHost.describe({ kind: "queue", name: queue.name });
  if (channel.subscriptions.size >= limits.maxConsumers) {
    throw new AmqpError(
      "precondition-failed",
      `cannot consume from ${resource}: consumer limit of the channel (${limits.maxConsumers}) is reached`,
    );
  }
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
