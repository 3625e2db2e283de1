/** The methods of class basic that fetch and settle single messages. @module */

import type { Queue } from "../model/queue.ts";
import {
  ACKED,
  NACKED,
  REJECTED,
  REQUEUED,
  RETURNED,
  type SettleOutcome,
} from "../model/settle_outcome.ts";
import { AmqpError } from "../wire/amqp_error.ts";
import type { MethodArguments } from "../wire/methods.ts";
import type { Channel } from "./channel.ts";
import type { DeliveryBatch } from "./deliveries.ts";
import { resolveQueueName } from "./names.ts";
import { assertAccess } from "./queue_access.ts";

/** Handles `basic.get`. */
export function get(channel: Channel, values: MethodArguments<"basic.get">): void {
  const { virtualHost, user } = channel.host;
  const name = resolveQueueName(channel, values.queue);
  user.assertMay("read", { kind: "queue", name, virtualHost: virtualHost.name });
  const queue = virtualHost.queue(name);
  assertAccess(channel, queue);
  assertGettable(channel, queue);
  const entry = queue.get(values.noAck);
  if (entry === undefined) channel.send("basic.get-empty", { clusterId: "" });
  else channel.sendGetOk(queue, entry, values.noAck);
}

/** Handles `basic.ack`. */
export function ack(
  channel: Channel,
  { deliveryTag, multiple }: MethodArguments<"basic.ack">,
): void {
  settle(channel, channel.deliveries.take(deliveryTag, multiple), ACKED);
}

/** Handles `basic.nack`. */
export function nack(
  channel: Channel,
  { deliveryTag, multiple, requeue }: MethodArguments<"basic.nack">,
): void {
  settle(channel, channel.deliveries.take(deliveryTag, multiple), requeue ? REQUEUED : NACKED);
}

/** Handles `basic.reject`. */
export function reject(
  channel: Channel,
  { deliveryTag, requeue }: MethodArguments<"basic.reject">,
): void {
  settle(channel, channel.deliveries.take(deliveryTag, false), requeue ? RETURNED : REJECTED);
}

/** Handles `basic.recover`, and `basic.recover-async`, which has no answer. */
export function recover(
  channel: Channel,
  { requeue, hasAnswer }: { readonly requeue: boolean; readonly hasAnswer: boolean },
): void {
  if (!requeue) throw new AmqpError("not-implemented", "requeue=false");
  const batch = channel.deliveries.takeAll();
  // Before the deliveries that it causes, because RabbitMQ's queues take some time.
  if (hasAnswer) channel.send("basic.recover-ok", {});
  channel.settle(batch, REQUEUED);
}

function assertGettable(channel: Channel, { name, declaration, rules }: Queue): void {
  const { type, singleActiveConsumer } = declaration.settings;
  if (type !== "quorum" || !singleActiveConsumer) return;
  const resource = channel.host.virtualHost.describe({ kind: "queue", name });
  throw new AmqpError(
    "resource-locked",
    `cannot obtain access to locked ${resource}. basic.get operations are not supported by ` +
      `${rules.quorumName} queues with single active consumer`,
  );
}

function settle(channel: Channel, batch: DeliveryBatch, outcome: SettleOutcome): void {
  if (channel.transaction === undefined) return channel.settle(batch, outcome);
  channel.transaction.addSettlement({
    commit: () => channel.settle(batch, outcome),
    rollback: () => channel.deliveries.restore([batch]),
  });
}
