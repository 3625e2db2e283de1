/** The methods of class basic that fetch and settle single messages. @module */

import type { SettleOutcome } from "../model/queue.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel, DeliveryBatch } from "./channel.ts";
import { resolveQueueName } from "./names.ts";
import { assertAccess } from "./queue_access.ts";

/** Handles `basic.get`. */
export function get(channel: Channel, values: MethodArguments<"basic.get">): void {
  const { virtualHost, user } = channel.host;
  const name = resolveQueueName(channel, values.queue);
  user.assertMay("read", { kind: "queue", name, virtualHost: virtualHost.name });
  const queue = virtualHost.queue(name);
  assertAccess(channel, queue);
  const entry = queue.get(values.noAck);
  if (entry === undefined) channel.send("basic.get-empty", { clusterId: "" });
  else channel.sendGetOk(queue, entry, values.noAck);
}

/** Handles `basic.ack`. */
export function ack(
  channel: Channel,
  { deliveryTag, multiple }: MethodArguments<"basic.ack">,
): void {
  settle(channel, channel.takeDeliveries(deliveryTag, multiple), "ack");
}

/** Handles `basic.nack`. */
export function nack(
  channel: Channel,
  { deliveryTag, multiple, requeue }: MethodArguments<"basic.nack">,
): void {
  settle(channel, channel.takeDeliveries(deliveryTag, multiple), requeue ? "requeue" : "reject");
}

/** Handles `basic.reject`. */
export function reject(
  channel: Channel,
  { deliveryTag, requeue }: MethodArguments<"basic.reject">,
): void {
  settle(channel, channel.takeDeliveries(deliveryTag, false), requeue ? "requeue" : "reject");
}

/** Handles `basic.recover` and `basic.recover-async`. */
export function recover(channel: Channel, requeue: boolean): void {
  if (!requeue) throw new AmqpError("not-implemented", "requeue=false");
  channel.settle(channel.takeAllDeliveries(), "requeue");
}

function settle(channel: Channel, batch: DeliveryBatch, outcome: SettleOutcome): void {
  if (channel.transaction === undefined) return channel.settle(batch, outcome);
  channel.transaction.add({
    commit: () => channel.settle(batch, outcome),
    rollback: () => channel.restoreDeliveries([batch]),
  });
}
