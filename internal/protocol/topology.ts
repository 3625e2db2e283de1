/**
 * The exchanges, queues and bindings of servers and clients: how each is declared, here and by
 * operators who declare them by hand (`extras/definitions.ts`).
 *
 * @module
 */

import type { Durability } from "../../options/server_options.ts";
import type { AmqpBinding, AmqpQueueOptions } from "../broker/amqp.ts";
import { isShortText } from "../text.ts";

/**
 * Where request queues of version 0.1.0 send what they drop: a headers exchange to which each client
 * has bound its reply queue. Whoever may bind to it can have copies of everybody's dropped requests,
 * so it is used with queues that have been declared for it, and no others.
 */
export const RETURNS_EXCHANGE = "rpc.returns";

/** Where clients tell the servers of a queue that they do not want an output any more. */
export const CONTROL_EXCHANGE = "rpc.control";

/** An exchange to declare, always durable. */
export interface ExchangeDeclaration {
  readonly name: string;
  readonly type: "direct" | "fanout" | "headers";
}

/**
 * Where administrators tell servers to change what they do: pause, cancel the calls of others. Servers
 * heed what came through it alone, so the right to write to it is what makes an administrator.
 */
export const ADMIN_EXCHANGE = "rpc.admin";

/** What servers need that administrators may command. */
export const ADMIN_TOPOLOGY: ExchangeDeclaration = { name: ADMIN_EXCHANGE, type: "direct" };

/** What is shared by all clients and servers. */
export const CONTROL_TOPOLOGY: ExchangeDeclaration = { name: CONTROL_EXCHANGE, type: "direct" };

/** What queues of version 0.1.0 need. */
export const RETURNS_TOPOLOGY: ExchangeDeclaration = { name: RETURNS_EXCHANGE, type: "headers" };

/** What a queue does with requests that it drops (expired, rejected, given back too often, too many). */
export type ReturnsPath =
  /**
   * They go to the default exchange, with the routing key that they came with. Clients publish to the
   * exchange of the queue with their reply queue as the routing key, so that is where they go.
   */
  | "caller"
  /** They go to {@linkcode RETURNS_EXCHANGE}. */
  | "shared"
  | "none";

/** What is added to the name of a request queue for {@linkcode requestExchange}. */
const REQUEST_EXCHANGE_SUFFIX = ".requests";

/** The exchange of a request queue, for requests that shall come back if the queue drops them. */
export function requestExchange(queue: string): ExchangeDeclaration {
  return { name: queue + REQUEST_EXCHANGE_SUFFIX, type: "fanout" };
}

/** Whether a queue can have an exchange of its own: names end at 255 bytes. */
export function canHaveExchange(queue: string): boolean {
  return isShortText(requestExchange(queue).name);
}

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
 * @param returns What becomes of what it drops.
 */
export function requestQueueOptions(
  durability: DeclaredDurability,
  returns: ReturnsPath,
): AmqpQueueOptions {
  const options = QUEUE_OPTIONS[durability];
  // Tutorial peers declare transient queues without arguments, and must be able to join.
  if (returns === "none" || durability === "transient") return options;
  const exchange = returns === "caller" ? "" : RETURNS_EXCHANGE;
  return { ...options, arguments: { ...options.arguments, [RETURNS_ARGUMENT]: exchange } };
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
