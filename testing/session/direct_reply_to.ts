/** Direct reply-to: the pseudo-queue `amq.rabbitmq.reply-to`. @module */

import { REPLY_TO_PREFIX } from "../model/reply_consumers.ts";
import type { BasicProperties } from "../wire/basic_properties.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import { generateName, randomBase64 } from "./names.ts";

/** Handles `basic.consume` of the pseudo-queue. */
export function consumeReplies(channel: Channel, values: MethodArguments<"basic.consume">): void {
  if (!values.noAck) {
    throw new AmqpError("precondition-failed", "reply consumer cannot acknowledge");
  }
  if (channel.replyConsumer !== undefined) {
    throw new AmqpError("precondition-failed", "reply consumer already set");
  }
  const tag = values.consumerTag === "" ? generateName("amq.ctag") : values.consumerTag;
  const { replyConsumers } = channel.host.virtualHost;
  const address = replyConsumers.address(randomBase64());
  channel.replyConsumer = { tag, address };
  replyConsumers.add(address, (message) => channel.deliverReply(tag, message));
  if (!values.nowait) channel.send("basic.consume-ok", { consumerTag: tag });
}

/** Handles `basic.cancel` of a consumer of direct replies; tells whether it was one. */
export function cancelReplies(channel: Channel, consumerTag: string): boolean {
  const { replyConsumer } = channel;
  if (replyConsumer?.tag !== consumerTag) return false;
  channel.host.virtualHost.replyConsumers.remove(replyConsumer.address);
  channel.replyConsumer = undefined;
  return true;
}

/**
 * Handles `queue.declare` of the pseudo-queue or of a reply address.
 *
 * @throws {AmqpError} If there is no consumer behind the address.
 */
export function declareReplyAddress(
  channel: Channel,
  { queue, nowait }: Pick<MethodArguments<"queue.declare">, "queue" | "nowait">,
): void {
  const { virtualHost } = channel.host;
  const { replyConsumers, rules } = virtualHost;
  if (queue !== REPLY_TO_PREFIX && !replyConsumers.has(queue)) {
    const [, ...parts] = queue.slice(REPLY_TO_PREFIX.length).split(".");
    // RabbitMQ stumbles over addresses that it cannot read; before 4.3 they had to look like one.
    const stumbles = rules.routesDirectReplies || parts.filter((part) => part !== "").length === 2;
    if (stumbles && !replyConsumers.isAddress(queue)) throw new AmqpError("internal-error");
    virtualHost.queue(queue);
  }
  if (!nowait) channel.send("queue.declare-ok", { queue, messageCount: 0, consumerCount: 1 });
}

/**
 * Puts the reply address of the channel in place of the pseudo-queue's name.
 *
 * @throws {AmqpError} If the channel consumes no direct replies.
 */
export function withReplyAddress(channel: Channel, properties: BasicProperties): BasicProperties {
  if (properties.text("replyTo") !== REPLY_TO_PREFIX) return properties;
  if (channel.replyConsumer === undefined) {
    throw new AmqpError("precondition-failed", "fast reply consumer does not exist");
  }
  return properties.with({ replyTo: channel.replyConsumer.address });
}
