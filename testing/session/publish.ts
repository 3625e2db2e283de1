/** `basic.publish`: checks, routing, returns and confirms. @module */

import type { ConfirmOutcome } from "../faults.ts";
import type { Exchange } from "../model/exchange.ts";
import { annotationsOf, deliveredProperties } from "../model/annotations.ts";
import { expirationOf, type Message, routingKeysOf, withoutBcc } from "../model/message.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { BasicProperties } from "../wire/basic_properties.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import type { IncomingContent } from "./content_assembler.ts";
import { withReplyAddress } from "./direct_reply_to.ts";

/** Handles `basic.publish` with its content. */
export function publish(
  channel: Channel,
  values: MethodArguments<"basic.publish">,
  content: IncomingContent,
): void {
  if (values.immediate) throw new AmqpError("not-implemented", "immediate=true");
  const { virtualHost, user, context } = channel.host;
  assertSize(content.size, context.maxMessageBytes);
  user.assertMay("write", {
    kind: "exchange",
    name: values.exchange,
    virtualHost: virtualHost.name,
  });
  const exchange = virtualHost.exchange(values.exchange);
  if (exchange.declaration.internal) {
    const resource = virtualHost.describe({ kind: "exchange", name: exchange.name });
    throw new AmqpError("access-refused", `cannot publish to internal ${resource}`);
  }
  const properties = withReplyAddress(channel, content.properties);
  const message = messageOf(channel, {
    exchange,
    routingKey: values.routingKey,
    properties,
    content,
  });
  const { mandatory } = values;
  const publish = (): boolean => deliverPublish(channel, { exchange, message, mandatory });
  if (channel.transaction === undefined) publish();
  else channel.transaction.addPublish(publish);
}

function messageOf(
  channel: Channel,
  { exchange, routingKey, properties, content: { body } }: {
    readonly exchange: Exchange;
    readonly routingKey: string;
    readonly properties: BasicProperties;
    readonly content: IncomingContent;
  },
): Message {
  const { keepsAnnotations } = channel.host.context.rules;
  // The order of the checks decides which fault a client is told of.
  if (!keepsAnnotations) assertUserId(channel, properties);
  const ttlMs = expirationOf(properties);
  const routingKeys = routingKeysOf(routingKey, properties);
  if (!keepsAnnotations) assertDeliveryMode(properties);
  if (keepsAnnotations) assertUserId(channel, properties);
  const published = withoutBcc(properties);
  const annotations = keepsAnnotations
    ? annotationsOf(properties, { published, ttlMs })
    : undefined;
  return {
    exchange: exchange.name,
    routingKeys,
    properties: annotations === undefined ? published : deliveredProperties(annotations),
    body,
    annotations,
  };
}

function deliverPublish(
  channel: Channel,
  { exchange, message, mandatory }: {
    readonly exchange: Exchange;
    readonly message: Message;
    readonly mandatory: boolean;
  },
): boolean {
  const { virtualHost, context } = channel.host;
  const confirmTag = channel.confirms?.open();
  if (confirmTag !== undefined && context.faults.takeNack(channel.host.number, channel.number)) {
    confirm(channel, confirmTag, "nack");
    return false;
  }
  const { isRouted, isRejected } = virtualHost.publish(exchange, message);
  if (mandatory && !isRouted) sendReturn(channel, message);
  if (confirmTag !== undefined) confirm(channel, confirmTag, isRejected ? "nack" : "ack");
  return !isRejected;
}

function confirm(channel: Channel, deliveryTag: number, outcome: ConfirmOutcome): void {
  const { context: { faults }, number: connection } = channel.host;
  faults.confirm({ connection, channel: channel.number }, () => {
    channel.confirms?.settle(deliveryTag, outcome);
  });
}

function sendReturn(channel: Channel, message: Message): void {
  channel.send("basic.return", {
    replyCode: 312,
    replyText: "NO_ROUTE",
    exchange: message.exchange,
    routingKey: message.routingKeys[0],
  }, message);
}

function assertUserId({ host: { user } }: Channel, properties: BasicProperties): void {
  const claimed = properties.text("userId");
  if (claimed === undefined || claimed === user.name || user.impersonator) return;
  throw new AmqpError(
    "precondition-failed",
    `user_id property set to '${claimed}' but authenticated user was '${user.name}'`,
  );
}

function assertSize(bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new AmqpError(
    "precondition-failed",
    `message size ${bytes} is larger than configured max size ${limit}`,
  );
}

/** Version 4 takes any delivery mode for one of transient messages. */
function assertDeliveryMode({ deliveryMode }: BasicProperties): void {
  if (deliveryMode === undefined || deliveryMode === 1 || deliveryMode === 2) return;
  throw new AmqpError(
    "precondition-failed",
    `invalid message: {delivery_mode_unknown,${deliveryMode}}`,
  );
}
