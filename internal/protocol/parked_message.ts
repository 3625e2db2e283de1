/**
 * Parked requests as AMQP messages: what is kept of a request that a server cannot serve, and the
 * request that is made of it again. The full text is docs/protocol.md.
 *
 * @module
 */

import type { AmqpDelivery, AmqpProperties, AmqpPublish } from "../broker/amqp.ts";
import type { RpcError } from "../../errors.ts";
import {
  CALLBACK_HEADER,
  CALLER_HEADER,
  IDEMPOTENT_HEADER,
  KEY_HEADER,
  PRIORITY_HEADER,
  readRequestEnvelope,
} from "./envelope.ts";
import { readDeadLetterReason } from "./dead_letter.ts";
import { DIRECT_REPLY_TO, isDurableReplyQueue } from "./reply_address.ts";
import { readNumber, readText, toPrintable, toShortText } from "../text.ts";

const PREFIX = "rpc-parked-";
/** Names the parked request for those who look after it. */
const ID_HEADER = `${PREFIX}id`;
/** Why the request was parked: a code of `RpcErrorCode`. */
const REASON_HEADER = `${PREFIX}reason`;
/** The same for people. */
const MESSAGE_HEADER = `${PREFIX}message`;
/** When the request was parked, in Unix milliseconds, by the clock of its server. */
const AT_HEADER = `${PREFIX}at`;
/** The request queue. */
const QUEUE_HEADER = `${PREFIX}queue`;
/** How often the request was delivered. */
const DELIVERIES_HEADER = `${PREFIX}deliveries`;
/** The `user_id` of the request, which only that user could publish again. */
const USER_HEADER = `${PREFIX}user-id`;
/** Present, and true, in a request that was parked and is run again. */
const REDRIVEN_HEADER = "rpc-redriven";
/** Present, and false, if there was no room for the request's own headers. */
const COMPLETE_HEADER = `${PREFIX}complete`;

/** Most characters of {@linkcode MESSAGE_HEADER}. */
const MAX_MESSAGE_CHARS = 1_000;

/**
 * Headers that mean something to the broker, which would send copies elsewhere or count what it
 * counted for another message, or to a server, which would look for a caller that is gone.
 */
const BROKER_HEADER_REGEXP = /^(B?CC|x-(death|first-death-.*|last-death-.*|.*-count))$/;

/** What a request that is run again says as it did, beside what others have put into it. */
const REDRIVEN_HEADERS: readonly string[] = [IDEMPOTENT_HEADER, PRIORITY_HEADER, CALLER_HEADER];

/** The code with which a client parks a reply whose callback by name is not registered. */
export const UNKNOWN_CALLBACK = "unknown-callback";

/** The code with which a server parks a request whose reply it could not put into a durable queue. */
export const UNDELIVERED = "orphaned";

/** The queue that keeps the parked requests of another queue. */
export function parkingQueueOf(queue: string): string {
  return `${queue}.parked`;
}

/** The queue whose owner may look after a parking queue; it dies with its connection. */
export function lockQueueOf(parkingQueue: string): string {
  return `${parkingQueue}.lock`;
}

/** Why a request is parked. */
export interface ParkingReason {
  readonly error: RpcError;
  /** How often the request was delivered. */
  readonly deliveries: number;
}

/** A request that is to be parked. */
export interface OutgoingParked {
  readonly id: string;
  readonly queue: string;
  readonly properties: AmqpProperties;
  readonly body: Uint8Array;
  readonly reason: ParkingReason;
  /** Whether the request's own headers are kept; there may be no room for them. */
  readonly withHeaders: boolean;
}

/** A request that was parked, without its body. */
export interface ParkedRequest {
  /** Names it for `inspect()`, `redrive()` and `drop()`. Copies of one request share it. */
  readonly id: string;
  /** Why it was parked, as one word: a code of {@linkcode RpcError}, or `unknown`. */
  readonly reason: string;
  /** The same for people; empty if others have put it there. */
  readonly message: string;
  /** The procedure; `undefined` if it names none. */
  readonly procedure: string | undefined;
  /** When it was parked, in Unix milliseconds; `undefined` if others have put it there. */
  readonly parkedAt: number | undefined;
  /** How often it was delivered; `undefined` if others have put it there. */
  readonly deliveries: number | undefined;
  /** The correlation id of the call. */
  readonly correlationId: string | undefined;
  /** Which codec reads the body. */
  readonly contentType: string | undefined;
  /** Size of the body, in bytes. */
  readonly bytes: number;
  /** Whether its caller read a stream: it is not run again, as nobody reads it now. */
  readonly isStream: boolean;
}

/** Writes a request for its parking queue, where it must not expire. */
export function parkedMessage(parked: OutgoingParked): AmqpPublish {
  const { queue, properties, body, withHeaders } = parked;
  const { replyTo } = properties;
  return {
    routingKey: parkingQueueOf(queue),
    body,
    isForwarded: true,
    mandatory: true,
    properties: {
      ...keptProperties(properties),
      correlationId: toShortText(properties.correlationId),
      messageId: toShortText(properties.messageId),
      // The broker closes the channel of whoever publishes the bare name without consuming it.
      replyTo: replyTo === DIRECT_REPLY_TO ? undefined : toShortText(replyTo),
      headers: {
        ...(withHeaders ? keptHeaders(properties) : { [COMPLETE_HEADER]: false }),
        ...reasonHeaders(parked),
      },
    },
  };
}

function reasonHeaders({ id, queue, properties, reason }: OutgoingParked): Record<string, unknown> {
  const { code, message } = reason.error;
  const { userId } = properties;
  return {
    [ID_HEADER]: id,
    [REASON_HEADER]: code,
    [MESSAGE_HEADER]: toPrintable(message.slice(0, MAX_MESSAGE_CHARS)),
    [AT_HEADER]: Date.now(),
    [QUEUE_HEADER]: queue,
    [DELIVERIES_HEADER]: reason.deliveries,
    ...(userId === undefined ? {} : { [USER_HEADER]: userId }),
  };
}

/**
 * Reads what is known of a parked request, also if somebody else has put it there: all of it is fit to
 * be printed.
 */
export function readParked(
  properties: AmqpProperties,
  body: Uint8Array,
): Omit<ParkedRequest, "id"> & { readonly id: string | undefined } {
  const { headers = {} } = properties;
  const { procedure, contentType, correlationId, credits } = readRequestEnvelope(properties);
  return {
    id: readPrintable(headers[ID_HEADER]),
    reason: readPrintable(headers[REASON_HEADER]) ?? readDeadLetterReason(properties) ?? "unknown",
    message: readPrintable(headers[MESSAGE_HEADER]) ?? "",
    procedure,
    parkedAt: readNumber(headers[AT_HEADER]),
    deliveries: readNumber(headers[DELIVERIES_HEADER]),
    correlationId: readPrintable(correlationId),
    contentType,
    bytes: body.length,
    isStream: credits !== undefined,
  };
}

/**
 * Writes the request that a parked one is run as: a notification, as nobody waits for it any more.
 * With the same idempotency key, so that the work of one that is sent twice may be done once. A reply
 * that was parked goes back as it came: its callback is found by what it says. So does the reply to a
 * request that was parked for want of its durable reply queue.
 */
export function redrivenMessage(
  queue: string,
  correlationId: string,
  delivery: Pick<AmqpDelivery, "properties" | "body">,
): AmqpPublish {
  const { properties, body } = delivery;
  if (properties.headers?.[REASON_HEADER] === UNKNOWN_CALLBACK) {
    return returnedReply(queue, delivery);
  }
  const replyTo = awaitedReplyTo(properties);
  const { idempotencyKey } = readRequestEnvelope(properties);
  const isKept = (name: string) =>
    REDRIVEN_HEADERS.includes(name) || !name.startsWith("rpc-") ||
    (name === CALLBACK_HEADER && replyTo !== undefined);
  const headers = Object.entries(keptHeaders(properties)).filter(([name]) => isKept(name));
  return {
    routingKey: queue,
    body,
    mandatory: true,
    properties: {
      ...keptProperties(properties),
      correlationId: replyTo === undefined ? correlationId : properties.correlationId,
      messageId: idempotencyKey,
      replyTo,
      headers: {
        ...Object.fromEntries(headers),
        [REDRIVEN_HEADER]: true,
        ...(idempotencyKey === undefined ? {} : { [KEY_HEADER]: idempotencyKey }),
      },
    },
  };
}

/** Whether a request says that it was parked before. Anybody may say so. */
export function isRedriven({ headers }: AmqpProperties): boolean {
  return headers?.[REDRIVEN_HEADER] === true;
}

function readPrintable(value: unknown): string | undefined {
  const text = readText(value);
  return text === undefined ? undefined : toPrintable(text);
}

/** Where the reply goes of a request that was parked for want of its durable reply queue. */
function awaitedReplyTo({ headers = {}, replyTo }: AmqpProperties): string | undefined {
  if (headers[REASON_HEADER] !== UNDELIVERED || replyTo === undefined) return undefined;
  return isDurableReplyQueue(replyTo) ? replyTo : undefined;
}

function returnedReply(
  queue: string,
  { properties, body }: Pick<AmqpDelivery, "properties" | "body">,
): AmqpPublish {
  const headers = Object.entries(keptHeaders(properties)).filter(([name]) =>
    !name.startsWith(PREFIX)
  );
  return {
    routingKey: queue,
    body,
    mandatory: true,
    properties: {
      ...keptProperties(properties),
      correlationId: properties.correlationId,
      headers: Object.fromEntries(headers),
    },
  };
}

/** What does not depend on who waits for the request, and for how long. */
function keptProperties(properties: AmqpProperties): AmqpProperties {
  const { appId, contentEncoding, contentType, priority, timestamp, type } = properties;
  return {
    appId: toShortText(appId),
    contentEncoding: toShortText(contentEncoding),
    contentType: toShortText(contentType),
    deliveryMode: 2,
    priority,
    timestamp,
    type: toShortText(type),
  };
}

function keptHeaders({ headers = {} }: AmqpProperties): Record<string, unknown> {
  const entries = Object.entries(headers);
  return Object.fromEntries(entries.filter(([name]) => !BROKER_HEADER_REGEXP.test(name)));
}
