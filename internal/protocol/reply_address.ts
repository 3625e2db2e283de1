/** What is known of the addresses that replies go to. @module */

import type { AmqpProperties, AmqpPublish } from "../broker/amqp.ts";

/**
 * The pseudo-queue of direct reply-to. Clients consume and publish the bare name; servers receive an
 * address that begins with it.
 */
export const DIRECT_REPLY_TO = "amq.rabbitmq.reply-to";

/** How the names begin that the broker chooses, for queues that die with their connection. */
const SERVER_NAMED_PREFIX = "amq.gen-";

/** How the names of our durable reply queues begin. */
export const DURABLE_REPLY_PREFIX = "rpc.replies.";

/** Ends the longest name of a queue beside a durable reply queue: the lock of its parking queue. */
export const LONGEST_REPLY_SUFFIX = ".parked.lock";

/** Tells whether a queue stands beside a durable reply queue: its parking queue, or a lock. */
export function isBesideReplyQueue(name: string): boolean {
  return name.endsWith(".parked") || name.endsWith(".lock");
}

/**
 * How clients by other hands name their own reply queues: RabbitMQ's those of AMQP 1.0, and C++
 * libraries those that they declare.
 */
const FOREIGN_NAME_REGEXP =
  /^(client\.gen-.+|rpc\.reply\.\{?[\da-f]{8}(-?[\da-f]{4}){3}-?[\da-f]{12}\}?)$/i;

/** Tells whether a client of ours, or any that uses direct reply-to, can have such an address. */
export function isReplyAddress(name: string): boolean {
  if (isServerNamed(name)) return name.length > SERVER_NAMED_PREFIX.length;
  if (FOREIGN_NAME_REGEXP.test(name)) return !isBesideReplyQueue(name);
  if (!name.startsWith(DURABLE_REPLY_PREFIX)) return isDirectAddress(name);
  // Nobody is to have a server write to what administrators look after.
  return name.length > DURABLE_REPLY_PREFIX.length && !isBesideReplyQueue(name);
}

/** How AMQP 1.0 has the address of a queue. RabbitMQ 4.3 hands on the name in it, 4.0 the address. */
const QUEUE_ADDRESS_PREFIX = "/queues/";

/** Reads the property that says where the reply goes. */
export function readReplyTo(replyTo: string | undefined): string | undefined {
  if (!replyTo?.startsWith(QUEUE_ADDRESS_PREFIX)) return replyTo || undefined;
  try {
    return decodeURIComponent(replyTo.slice(QUEUE_ADDRESS_PREFIX.length)) || replyTo;
  } catch {
    // It is no address, and no reply queue either.
    return replyTo;
  }
}

/** Tells whether the broker chose the name of a queue: such a queue never comes back. */
export function isServerNamed(name: string | undefined): boolean {
  return name?.startsWith(SERVER_NAMED_PREFIX) ?? false;
}

/** Tells whether a queue is one of our durable reply queues, whose client comes back. */
export function isDurableReplyQueue(name: string): boolean {
  return name.startsWith(DURABLE_REPLY_PREFIX);
}

/**
 * Tells whether a name is the broker's own, for direct reply-to: an address, or what cannot be one.
 * The broker ends the connection of whoever declares some of these names, passively, too: which
 * ones depends on its version.
 */
export function isDirectReply(name: string): boolean {
  return name.startsWith(DIRECT_REPLY_TO);
}

/** The pseudo-queue, an Erlang process id in base 64, and a key in base 64. */
const ADDRESS_REGEXP = /^amq\.rabbitmq\.reply-to\.([\w+/-]+={0,2})\.[\w+/-]+={0,2}$/;

/** Source: Erlang's external term format: its version, and the tags of process ids and atoms. */
const TERM_VERSION = 131;
const PID_TAGS: ReadonlyMap<number, number> = new Map([
  // Id, serial and creation of the process; creation had one byte before it had four.
  [88, 12],
  [103, 9],
]);
const LONG_ATOM_TAGS = [100, 118];
const SHORT_ATOM_TAGS = [115, 119];

/**
 * Tells whether a name can be an address of direct reply-to. RabbitMQ up to 3.11 ends the connection
 * of whoever publishes to something that only begins like one.
 *
 * @param name The name of a reply queue.
 */
export function isDirectAddress(name: string): boolean {
  const [, pid] = ADDRESS_REGEXP.exec(name) ?? [];
  return pid !== undefined && isPid(decodeBase64(pid));
}

function isPid(term: string): boolean {
  const restLength = PID_TAGS.get(term.charCodeAt(1));
  if (term.charCodeAt(0) !== TERM_VERSION || restLength === undefined) return false;
  const atomTag = term.charCodeAt(2);
  if (SHORT_ATOM_TAGS.includes(atomTag)) return term.length === 4 + term.charCodeAt(3) + restLength;
  const atomLength = 256 * term.charCodeAt(3) + term.charCodeAt(4);
  return LONG_ATOM_TAGS.includes(atomTag) && term.length === 5 + atomLength + restLength;
}

/** Bytes as characters; empty if it is none. */
function decodeBase64(text: string): string {
  try {
    return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return "";
  }
}

/** What a client sends to its own durable reply queue to find out whether it is the one that is served. */
const PROBE = "probe";

/** Writes a probe. */
export function probeMessage(replyQueue: string): AmqpPublish {
  return {
    routingKey: replyQueue,
    body: "",
    mandatory: true,
    properties: { type: PROBE, deliveryMode: 1, expiration: "10000" },
  };
}

/** Tells whether a message is a probe, of whatever client. */
export function isProbe({ type }: AmqpProperties): boolean {
  return type === PROBE;
}
