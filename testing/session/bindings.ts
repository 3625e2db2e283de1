/** Binding and unbinding of queues and exchanges. @module */

import type { BindingKey, Destination } from "../model/exchange.ts";
import { REPLY_TO_PREFIX } from "../model/reply_consumers.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { Channel } from "./channel.ts";
import { stripLineBreaks } from "./names.ts";
import { assertAccess } from "./queue_access.ts";

/** A binding as a client asks for it. */
export interface BindingRequest {
  /** The exchange that routes. */
  readonly source: string;
  /** What it routes to. */
  readonly destination: Destination;
  /** What decides whether it does. */
  readonly key: BindingKey;
}

/** Binds a queue or an exchange to an exchange. */
export function bind(channel: Channel, request: BindingRequest): void {
  const { source, destination } = checked(channel, request);
  const { virtualHost } = channel.host;
  const exchange = virtualHost.exchange(source);
  if (destination.kind === "queue") assertAccess(channel, virtualHost.queue(destination.name));
  else virtualHost.exchange(destination.name);
  virtualHost.bind(exchange, destination, keyOf(request));
}

/** Removes a binding; one that does not exist is no fault. */
export function unbind(channel: Channel, request: BindingRequest): void {
  const { source, destination } = checked(channel, request);
  const { virtualHost } = channel.host;
  const exchange = virtualHost.findExchange(source);
  if (!exchange?.isBound(destination, keyOf(request))) return;
  const queue = destination.kind === "queue" ? virtualHost.findQueue(destination.name) : undefined;
  if (queue !== undefined) assertAccess(channel, queue);
  virtualHost.unbind(exchange, destination, keyOf(request));
}

function checked(
  channel: Channel,
  { source, destination }: BindingRequest,
): Pick<BindingRequest, "source" | "destination"> {
  const { virtualHost: { name: virtualHost, rules }, user } = channel.host;
  const target = { ...destination, name: stripLineBreaks(destination.name) };
  const isReply = target.kind === "queue" && target.name.startsWith(`${REPLY_TO_PREFIX}.`);
  if (isReply && rules.routesDirectReplies) {
    throw new AmqpError(
      "access-refused",
      "cannot bind or unbind to a volatile (direct reply-to) queue",
    );
  }
  user.assertMay("write", { ...target, virtualHost });
  const name = stripLineBreaks(source);
  if (name === "" || (target.kind === "exchange" && target.name === "")) {
    throw new AmqpError("access-refused", "operation not permitted on the default exchange");
  }
  user.assertMay("read", { kind: "exchange", name, virtualHost });
  return { source: name, destination: target };
}

function keyOf({ key }: BindingRequest): BindingKey {
  return { routingKey: key.routingKey, arguments: key.arguments };
}
