/** `basic.publish`: checks, routing, returns and confirms. @module */

import type { Exchange } from "../model/exchange.ts";
import { expirationOf, type Message, routingKeysOf, withoutBcc } from "../model/message.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { BasicProperties } from "../wire/basic_properties.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel, OutgoingContent } from "./channel.ts";
import { REPLY_TO_PREFIX, withReplyAddress } from "./direct_reply_to.ts";

/** Handles `basic.publish` with its content. */
export function publish(
  channel: Channel,
  values: MethodArguments<"basic.publish">,
  content: OutgoingContent,
): void {
  if (values.immediate) throw new AmqpError("not-implemented", "immediate=true");
  const { virtualHost, user } = channel.host;
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
  assertUserId(channel, properties);
  expirationOf(properties);
  const message: Message = {
    exchange: exchange.name,
    routingKeys: routingKeysOf(values.routingKey, properties),
    properties: withoutBcc(properties),
    body: content.body,
  };
  const { mandatory } = values;
  const deliver = (): void => deliverPublish(channel, { exchange, message, mandatory });
  if (channel.transaction === undefined) deliver();
  else channel.transaction.add({ commit: deliver, rollback: () => {} });
}

function deliverPublish(
  channel: Channel,
  { exchange, message, mandatory }: {
    readonly exchange: Exchange;
    readonly message: Message;
    readonly mandatory: boolean;
  },
): void {
  const { virtualHost, context } = channel.host;
  const confirmTag = channel.confirms?.open();
  const { routed, rejected } = virtualHost.publish(exchange, message);
  if (mandatory && routed === 0 && !isQuietReply(channel, message)) sendReturn(channel, message);
  if (confirmTag === undefined) return;
  context.faults.confirm(rejected ? "nack" : "ack", (outcome) => {
    channel.confirms?.settle(confirmTag, outcome);
  });
}

/** RabbitMQ 4 does not return direct replies; 3.10 returns even those that it delivers. */
function isQuietReply({ host }: Channel, { exchange, routingKeys: [key] }: Message): boolean {
  return host.context.compat === "4" && exchange === "" && key.startsWith(`${REPLY_TO_PREFIX}.`);
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
