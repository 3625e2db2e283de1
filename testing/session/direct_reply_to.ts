/** Direct reply-to: the pseudo-queue `amq.rabbitmq.reply-to`. @module */

import type { BasicProperties } from "../wire/basic_properties.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import { generateName, randomBase64 } from "./names.ts";

/** The name of the pseudo-queue, with which every reply address begins. */
export const REPLY_TO_PREFIX = "amq.rabbitmq.reply-to";

/** RabbitMQ puts the id of the Erlang process there that has the channel: this is one of its ids. */
const PROCESS_ID = "g1h3DnJlcGx5QDI5ODM0NTk2AAAC4AAAAABrAZB2";

/** Handles `basic.consume` of the pseudo-queue. */
export function consumeReplies(channel: Channel, values: MethodArguments<"basic.consume">): void {
  if (!values.noAck) {
    throw new AmqpError("precondition-failed", "reply consumer cannot acknowledge");
  }
  if (channel.replyConsumer !== undefined) {
    throw new AmqpError("precondition-failed", "reply consumer already set");
  }
  const tag = values.consumerTag === "" ? generateName("amq.ctag") : values.consumerTag;
  const address = `${REPLY_TO_PREFIX}.${PROCESS_ID}.${randomBase64()}`;
  channel.replyConsumer = { tag, address };
  channel.host.virtualHost.addReplyConsumer(
    address,
    (message) => channel.deliverReply(tag, message),
  );
  if (!values.nowait) channel.send("basic.consume-ok", { consumerTag: tag });
}

/** Handles `basic.cancel` of a consumer of direct replies; tells whether it was one. */
export function cancelReplies(channel: Channel, consumerTag: string): boolean {
  const { replyConsumer } = channel;
  if (replyConsumer?.tag !== consumerTag) return false;
  channel.host.virtualHost.removeReplyConsumer(replyConsumer.address);
  channel.replyConsumer = undefined;
  return true;
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
