/**
 * The exchanges, queues and bindings of servers and clients: how each is declared, here and by
 * operators who declare them by hand (`extras/definitions.ts`).
 *
 * @module
 */

import type { Durability } from "../../options/server_options.ts";
import type { AmqpBinding, AmqpQueueOptions } from "../broker/amqp.ts";

/**
 * Where request queues send what they drop (expired, rejected, given back too often, too many): a
 * headers exchange to which each client has bound its reply queue, so that the request comes back
 * to its caller with the reason.
 */
export const RETURNS_EXCHANGE = "rpc.returns";

/** Where clients tell the servers of a queue that they do not want an output any more. */
export const CONTROL_EXCHANGE = "rpc.control";

/** The exchanges that clients and servers share, all durable. */
export const TOPOLOGY_EXCHANGES: readonly {
  readonly name: string;
  readonly type: "direct" | "headers";
}[] = [
  { name: RETURNS_EXCHANGE, type: "headers" },
  { name: CONTROL_EXCHANGE, type: "direct" },
];

/** The header by which {@linkcode RETURNS_EXCHANGE} finds the caller: the name of its reply queue. */
export const REPLY_TO_HEADER = "rpc-reply-to";

/** The argument that says where a queue sends what it drops. */
export const RETURNS_ARGUMENT = "x-dead-letter-exchange";

/** What queues survive that are declared. */
export type DeclaredDurability = Exclude<Durability, "existing">;

const QUEUE_OPTIONS: Readonly<Record<DeclaredDurability, AmqpQueueOptions>> = {
  replicated: { durable: true, arguments: { "x-queue-type": "quorum" } },
  // Said where it is the default, as it is not on every virtual host. RabbitMQ takes it as equal.
  durable: { durable: true, arguments: { "x-queue-type": "classic" } },
  transient: { durable: false },
};

/**
 * Whoever inspects a quorum queue gives back what is in it, and from RabbitMQ 4 on a message is
 * dropped that was given back 20 times. This number is not reached; older versions take it, too.
 */
const NO_DELIVERY_LIMIT = 2 ** 31 - 1;

/**
 * How long a quorum queue waits for a consumer whose node is lost, in milliseconds: from RabbitMQ 4.3 on
 * a minute, unless told otherwise. Older versions take the argument, and do not wait.
 */
const DISCONNECTED_LIMIT_MS = 500;

/** How long a durable reply queue outlives its client, unless told otherwise: a day. */
export const REPLY_QUEUE_EXPIRES_MS = 86_400_000;

/**
 * The request queue.
 *
 * @param durability What it survives.
 * @param returns Whether what it drops goes to {@linkcode RETURNS_EXCHANGE}.
 */
export function requestQueueOptions(
  durability: DeclaredDurability,
  returns: boolean,
): AmqpQueueOptions {
  const options = QUEUE_OPTIONS[durability];
  // Tutorial peers declare transient queues without arguments, and must be able to join.
  if (!returns || durability === "transient") return options;
  return {
    ...options,
    arguments: { ...options.arguments, [RETURNS_ARGUMENT]: RETURNS_EXCHANGE },
  };
}

/** The queue that keeps the parked requests of a request queue. */
export function parkingQueueOptions(durability: Durability): AmqpQueueOptions {
  const args = durability === "replicated"
    ? { "x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT }
    // A virtual host may have another default, and with it a limit.
    : { "x-queue-type": "classic" };
  return { durable: true, arguments: args };
}

/**
 * A durable reply queue. It serves one consumer at a time: another client of the same name finds that
 * out and leaves, and when a node is lost, the broker knows whose consumer was on it. The lock that
 * parking uses is no help here: from RabbitMQ 4.2 on (Khepri), an exclusive queue of a lost node stays
 * locked until that node is back. A reply that its client often gives back is not dropped.
 */
export function replyQueueOptions(expiresMs: number): AmqpQueueOptions {
  return {
    durable: true,
    arguments: {
      "x-queue-type": "quorum",
      "x-single-active-consumer": true,
      "x-delivery-limit": NO_DELIVERY_LIMIT,
      "x-consumer-disconnected-timeout": DISCONNECTED_LIMIT_MS,
      "x-expires": expiresMs,
    },
  };
}

/** A durable reply queue as version 0.1.0 declared it, on one node. */
export function unreplicatedReplyQueueOptions(expiresMs: number): AmqpQueueOptions {
  return { durable: true, arguments: { "x-queue-type": "classic", "x-expires": expiresMs } };
}

/** How a reply queue is bound to {@linkcode RETURNS_EXCHANGE}. */
export function returnsBinding(replyQueue: string): AmqpBinding {
  return { arguments: { "x-match": "all", [REPLY_TO_HEADER]: replyQueue } };
}
