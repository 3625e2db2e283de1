/**
 * Requests and replies as AMQP messages: which property and header carries what. The full text is
 * docs/protocol.md.
 *
 * @module
 */

import { type Body, bytesCodec, UNNAMED_BYTES } from "../../codec.ts";
import type { MessageHeaders } from "../../contract.ts";
import type { AmqpProperties, AmqpPublish } from "../broker/amqp.ts";
import { isDirectReply, isServerNamed, readReplyTo } from "./reply_address.ts";
import { CONTROL_EXCHANGE, REPLY_TO_HEADER } from "./topology.ts";
import { type EncodedItem, type EncodedReply, MAX_CREDITS } from "../encoded_reply.ts";
import { TIMING_HEADER } from "./timing_header.ts";
import { BATCHES_HEADER, DEADLINE_HEADER, TAKES_BATCHES, takesBatches } from "./message_batch.ts";
import { isShortText, readNumber, readText, toPrintable } from "../text.ts";

/** How often the client has published the request before: absent the first time. */
const ATTEMPT_HEADER = "rpc-attempt";
/** Present, and false, if the request must not be run again after a worker has died of it. */
export const IDEMPOTENT_HEADER = "rpc-idempotent";
/** The priority that the caller has set, from 1 to 9: the property is the broker's. */
export const PRIORITY_HEADER = "rpc-priority";
/** What makes two requests the same work, and whose word it is: only if the caller says so. */
export const KEY_HEADER = "rpc-idempotency-key";
export const CALLER_HEADER = "rpc-caller";
/** How many items of a stream the caller allows: at first in the request, more by control message. */
const CREDITS_HEADER = "rpc-credits";
/** Present, and true, if the caller wants to know how far the work has come. */
const PROGRESS_HEADER = "rpc-progress";
/** Present, and true, if the caller wants to know that a server has taken the request. */
const TAKEN_HEADER = "rpc-taken";
/** The number of an item, or of a progress, from 0; in an `end`, how many items there were. */
const SEQ_HEADER = "rpc-seq";
/** Where the caller sends credits for more items: the control queue of the server that streams. */
const CREDIT_TO_HEADER = "rpc-credit-to";
/** The named callback of the request, as text that its client alone reads; comes back as it went. */
export const CALLBACK_HEADER = "rpc-callback";

/** Longest text in {@linkcode CALLBACK_HEADER}, in UTF-16 units: amqplib writes 64 KiB of headers. */
export const MAX_CALLBACK_CHARS = 16_384;

/** The highest priority that a caller can set. */
const MAX_PRIORITY = 9;

/** What a message without a priority has in a quorum queue of RabbitMQ 4.3, and at most is normal in 4.0. */
const BROKER_NORMAL_PRIORITY = 4;

/** A request to be published: the same each time, but for its attempt and reply address. */
export interface OutgoingRequest {
  readonly queue: string;
  readonly procedure: string;
  readonly body: Body;
  readonly contentType: string;
  readonly correlationId: string;
  /** Unix milliseconds; absent for a notification, which is to be run however late. */
  readonly deadline: number | undefined;
  /** Whether it is to be dropped unless a consumer has room at once. */
  readonly immediate: boolean;
  readonly idempotent: boolean;
  readonly priority: number | undefined;
  readonly idempotencyKey: string | undefined;
  /** Whose idempotency key it is, if there is one. */
  readonly caller: string | undefined;
  readonly callback: string | undefined;
  /** For a stream, the longest wait for its first item. */
  readonly idleTimeoutMs: number | undefined;
  /** Present for a stream: how many items the caller takes at first. */
  readonly credits: number | undefined;
  readonly wantsProgress: boolean;
  /** Those of the user's, checked. */
  readonly headers: MessageHeaders | undefined;
  /** Whether the caller wants to know where the time goes. */
  readonly wantsTiming: boolean;
  /** Whether it may share a message with others, and its reply, too. */
  readonly takesBatches: boolean;
}

/** What a delivered request says beside its body. Anybody may have written it. */
export interface IncomingRequest {
  /** Absent for a tutorial client: the server's default procedure. */
  readonly procedure: string | undefined;
  /** Whether the body is a value of AMQP 1.0: `readAmqpValue()` takes it out. */
  readonly isAmqpValue: boolean;
  readonly contentType: string | undefined;
  /** How the body is compressed, which we cannot undo. */
  readonly compression: string | undefined;
  readonly correlationId: string | undefined;
  /** Absent if no reply is wanted. */
  readonly replyTo: string | undefined;
  /** Unix milliseconds by the caller's clock. */
  readonly deadline: number | undefined;
  /** Whole milliseconds that were left when the request was published. */
  readonly expiresInMs: number | undefined;
  /** Whether it may be run again after a worker has died of it. */
  readonly idempotent: boolean;
  readonly priority: number | undefined;
  /** What makes two requests the same work; absent if the request does not say. */
  readonly idempotencyKey: string | undefined;
  /** Whether the key was set by the caller; else it tells redeliveries of one request. */
  readonly isKeyed: boolean;
  /** Who has set it: a user, as the broker has checked, or whom the caller says that it is. */
  readonly caller: string | undefined;
  readonly callback: string | undefined;
  /** Present for a stream: how many items the caller takes at first. */
  readonly credits: number | undefined;
  readonly wantsProgress: boolean;
  /** Whether the caller wants to know at once that a server has taken the request. */
  readonly wantsTaken: boolean;
  /** Whether the caller wants to know where the time goes. */
  readonly wantsTiming: boolean;
  /** All headers, as they came. */
  readonly table: AmqpProperties["headers"];
  /** Whether its reply may share a message with others. */
  readonly takesBatches: boolean;
}

/** An item of a stream, or a progress, to be published; or the `end` after so many items. */
export interface OutgoingItem extends EncodedItem {
  readonly type: "item" | "progress" | "end";
  /** Where credits for more items go. */
  readonly creditTo?: string | undefined;
  /** Those of the user's, in an `end`. */
  readonly headers?: MessageHeaders;
}

/** A reply to be published. */
export type OutgoingReply = EncodedReply | OutgoingItem;

/** Where the replies to a request go. */
export type ReplyAddress =
  & Pick<IncomingRequest, "replyTo" | "correlationId" | "callback">
  & Partial<Pick<IncomingRequest, "takesBatches">>;

/** What a reply before the last one is. */
export interface IncomingItem {
  readonly type: "item" | "progress" | "taken";
  readonly seq: number;
  readonly creditTo: string | undefined;
}

/** Where a request goes, and its reply. */
export interface RequestRoute {
  /** Absent for a notification. */
  readonly replyTo: string | undefined;
  /**
   * The exchange of its queue; absent for the default exchange. If the queue drops the request, the
   * broker sends it to the queue that its routing key names: that of the reply.
   */
  readonly exchange: string | undefined;
}

/**
 * Writes a request. It expires in its queue when nobody waits for it any more.
 *
 * @param request The request.
 * @param attempt How often it was published before.
 * @param route Where it and its reply go.
 */
export function requestMessage(
  request: OutgoingRequest,
  attempt: number,
  { replyTo, exchange }: RequestRoute,
): AmqpPublish {
  const { deadline = Infinity, idleTimeoutMs = Infinity, correlationId } = request;
  const expiresAt = Math.min(deadline, Date.now() + idleTimeoutMs);
  return {
    exchange,
    routingKey: exchange === undefined ? request.queue : replyTo ?? "",
    body: request.body,
    mandatory: true,
    properties: {
      contentType: request.contentType,
      correlationId,
      deliveryMode: 2,
      expiration: request.immediate ? "0" : expirationUntil(expiresAt),
      headers: requestHeaders(request, attempt, replyTo),
      // The key for servers of version 0.1.0, the id for those of AMQP 1.0.
      messageId: request.idempotencyKey ?? (replyTo === undefined ? undefined : correlationId),
      priority: request.priority ? BROKER_NORMAL_PRIORITY + request.priority : undefined,
      replyTo,
      type: request.procedure,
    },
  };
}

/** Only what is there: amqplib goes through every header of every message, slowly. */
function requestHeaders(
  request: OutgoingRequest,
  attempt: number,
  replyTo: string | undefined,
): Record<string, unknown> {
  const { deadline, idempotent, immediate, priority, idempotencyKey, caller } = request;
  const { callback, credits, wantsProgress } = request;
  const headers: Record<string, unknown> = {};
  if (deadline !== undefined) headers[DEADLINE_HEADER] = deadline;
  if (replyTo !== undefined) headers[REPLY_TO_HEADER] = replyTo;
  if (attempt > 0) headers[ATTEMPT_HEADER] = attempt;
  if (!idempotent) headers[IDEMPOTENT_HEADER] = false;
  if (priority) headers[PRIORITY_HEADER] = priority;
  if (idempotencyKey !== undefined) headers[KEY_HEADER] = idempotencyKey;
  if (caller !== undefined) headers[CALLER_HEADER] = caller;
  if (callback !== undefined) headers[CALLBACK_HEADER] = callback;
  if (credits !== undefined) headers[CREDITS_HEADER] = credits;
  if (wantsProgress) headers[PROGRESS_HEADER] = true;
  if (immediate && replyTo !== undefined) headers[TAKEN_HEADER] = true;
  if (request.wantsTiming && replyTo !== undefined) headers[TIMING_HEADER] = true;
  if (request.headers !== undefined) Object.assign(headers, request.headers);
  if (request.takesBatches) headers[BATCHES_HEADER] = true;
  return headers;
}

/** The broker takes whole, non-negative milliseconds only, and as text. */
function expirationUntil(moment: number): string | undefined {
  return moment === Infinity ? undefined : String(Math.max(0, Math.ceil(moment - Date.now())));
}

/** Reads a request. Whatever has not the right form is as good as absent. */
export function readRequestEnvelope(properties: AmqpProperties): IncomingRequest {
  const { headers, messageId, type } = properties;
  // As programs of AMQP 1.0 expect it, which set no more than a message id.
  const correlationId = properties.correlationId ?? (messageId || undefined);
  const isValue = isAmqpValue(properties);
  const deadline = readNumber(headers?.[DEADLINE_HEADER]);
  const key = readKey(properties, correlationId);
  const expiresInMs = Number.parseInt(properties.expiration ?? "", 10);
  return {
    // Whatever errors and events repeat must not write lines of its own into a log.
    procedure: type && !isValue ? toPrintable(type) : undefined,
    isAmqpValue: isValue,
    contentType: readContentType(properties),
    compression: readCompression(properties),
    // Bytes that are no UTF-8 have become longer, and could not be sent back.
    correlationId: correlationId === undefined || isShortText(correlationId)
      ? correlationId
      : undefined,
    replyTo: readReplyTo(properties.replyTo),
    deadline,
    // A request with expiration 0 was for now or never, and it came: nothing expires any more.
    expiresInMs: expiresInMs > 0 ? expiresInMs : undefined,
    idempotent: headers?.[IDEMPOTENT_HEADER] !== false,
    priority: readPriority(headers?.[PRIORITY_HEADER]) ?? properties.priority,
    // Only clients of this protocol set a deadline, and only they are known to use unique ids.
    idempotencyKey: key ?? (deadline === undefined ? undefined : correlationId),
    isKeyed: key !== undefined,
    caller: key === undefined ? undefined : readCaller(properties),
    callback: readTicketText(headers?.[CALLBACK_HEADER]),
    credits: readCredits(headers?.[CREDITS_HEADER]),
    wantsProgress: headers?.[PROGRESS_HEADER] === true,
    wantsTaken: headers?.[TAKEN_HEADER] === true,
    wantsTiming: headers?.[TIMING_HEADER] === true,
    table: headers,
    takesBatches: takesBatches(properties),
  };
}

/**
 * Reads the key that a caller has set. The message id is everybody's, often 1, 2, 3: it counts only
 * from clients of version 0.1.0, which set a deadline and knew no other place.
 */
function readKey(
  { headers, messageId }: AmqpProperties,
  correlationId: string | undefined,
): string | undefined {
  const key = readText(headers?.[KEY_HEADER]);
  if (key !== undefined) return key !== "" && isShortText(key) ? key : undefined;
  const isOurs = readNumber(headers?.[DEADLINE_HEADER]) !== undefined;
  return isOurs && messageId && messageId !== correlationId ? messageId : undefined;
}

/** Not the reply queue, which is another after each reconnect. No name of one kind is one of the other. */
function readCaller({ headers, userId }: AmqpProperties): string | undefined {
  if (userId) return `user ${toPrintable(userId)}`;
  const caller = readText(headers?.[CALLER_HEADER]);
  return caller === undefined || !isShortText(caller) ? undefined : `id ${toPrintable(caller)}`;
}

/**
 * What the body of a message is. Bunny and other libraries say `application/octet-stream` of all
 * that a program does not name: without a `type`, that is not said of bytes alone.
 */
export function readContentType({ contentType, type }: AmqpProperties): string | undefined {
  if (!contentType) return undefined;
  if (!type && contentType === bytesCodec.contentType) return UNNAMED_BYTES;
  return toPrintable(contentType);
}

/** What RabbitMQ says of a body that a program of AMQP 1.0 has not sent as plain data. */
const AMQP_VALUE_TYPE = "amqp-1.0";

/** Tells whether the body of a message is a value of AMQP 1.0. */
export function isAmqpValue({ type }: AmqpProperties): boolean {
  return type === AMQP_VALUE_TYPE;
}

/** Others put what is no compression there, such as `utf-8`. Source: IANA, HTTP content codings. */
const COMPRESSION_REGEXP = /^(x-)?(gzip|deflate|compress|br|zstd|bzip2|xz|lzma|lz4|snappy)$/i;

/** How the body of a message is compressed; `undefined` if it is not. */
export function readCompression({ contentEncoding }: AmqpProperties): string | undefined {
  if (!contentEncoding || !COMPRESSION_REGEXP.test(contentEncoding)) return undefined;
  return contentEncoding;
}

/**
 * Writes a reply. It is mandatory, so that the broker tells when the caller's queue is gone; but
 * not to a direct reply-to address, where some versions of RabbitMQ deliver and return it both.
 * It is persistent where the queue may be, too.
 */
export function replyMessage(request: ReplyAddress, reply: OutgoingReply): AmqpPublish {
  const { replyTo = "", correlationId } = request;
  return {
    routingKey: replyTo,
    body: reply.body,
    mandatory: !isDirectReply(replyTo),
    properties: {
      contentType: reply.contentType,
      correlationId,
      deliveryMode: replyTo.startsWith("amq.") ? 1 : 2,
      headers: replyHeaders(request, reply),
      type: reply.type,
    },
  };
}

/** Writes the message that tells a caller that a server has taken its request. */
export function takenMessage({ replyTo = "", correlationId }: ReplyAddress): AmqpPublish {
  return {
    routingKey: replyTo,
    body: "",
    mandatory: !isDirectReply(replyTo),
    properties: { type: "taken", correlationId, deliveryMode: 1 },
  };
}

/** The named callback is for the last reply only. */
function replyHeaders(
  { callback, takesBatches }: ReplyAddress,
  reply: OutgoingReply,
): Record<string, unknown> | undefined {
  switch (reply.type) {
    case "item":
    case "progress":
      return { [SEQ_HEADER]: reply.seq, [CREDIT_TO_HEADER]: reply.creditTo };
    case "end":
      return { ...reply.headers, [SEQ_HEADER]: reply.seq, [CALLBACK_HEADER]: callback };
    default:
      if (!reply.headers && callback === undefined && !takesBatches) return undefined;
      return { ...reply.headers, [CALLBACK_HEADER]: callback, ...takesBatches && TAKES_BATCHES };
  }
}

/** Tells whether a reply is an error. Tutorial servers set no type: theirs are outputs. */
export function isErrorReply(properties: AmqpProperties): boolean {
  return properties.type === "error";
}

/** The named callback that a reply, or a request that came back, is for. */
export function readCallback(properties: AmqpProperties): string | undefined {
  return readText(properties.headers?.[CALLBACK_HEADER]);
}

/** Reads what a reply says beside its body if it is not the last one. */
export function readItem({ type, headers }: AmqpProperties): IncomingItem | undefined {
  if (type === "taken") return { type, seq: 0, creditTo: undefined };
  const seq = readCount(headers?.[SEQ_HEADER]);
  if ((type !== "item" && type !== "progress") || seq === undefined) return undefined;
  const creditTo = readText(headers?.[CREDIT_TO_HEADER]);
  // Whoever answers must not have us publish to a queue of anybody else's.
  return { type, seq, creditTo: isServerNamed(creditTo) ? creditTo : undefined };
}

/** How many items a stream had, if this is its last reply. */
export function readItemCount({ type, headers }: AmqpProperties): number | undefined {
  return type === "end" ? readCount(headers?.[SEQ_HEADER]) : undefined;
}

/** Writes the message that tells the servers of a queue to stop working on a request. */
export function cancelMessage(queue: string, correlationId: string): AmqpPublish {
  return {
    exchange: CONTROL_EXCHANGE,
    routingKey: queue,
    body: "",
    mandatory: false,
    properties: { type: "cancel", correlationId, deliveryMode: 1 },
  };
}

/** Writes the message that allows a server to send so many items more. */
export function creditMessage(creditTo: string, correlationId: string, count: number): AmqpPublish {
  return {
    routingKey: creditTo,
    body: "",
    mandatory: false,
    properties: {
      type: "credit",
      correlationId,
      deliveryMode: 1,
      headers: { [CREDITS_HEADER]: count },
    },
  };
}

/** What a client tells the servers of a request. */
export type ControlMessage =
  | { readonly type: "cancel"; readonly correlationId: string }
  | { readonly type: "credit"; readonly correlationId: string; readonly count: number };

/** Reads a control message; `undefined` if it is none that is known. */
export function readControl(properties: AmqpProperties): ControlMessage | undefined {
  const { type, correlationId, headers } = properties;
  if (correlationId === undefined) return undefined;
  if (type === "cancel") return { type, correlationId };
  const count = readCredits(headers?.[CREDITS_HEADER]);
  return type === "credit" && count !== undefined ? { type, correlationId, count } : undefined;
}

function readPriority(value: unknown): number | undefined {
  const priority = readCount(value);
  return priority === undefined || priority > MAX_PRIORITY ? undefined : priority;
}

/** Anybody may have written it, and a handler yields so many items without a pause. */
function readCredits(value: unknown): number | undefined {
  const count = readCount(value);
  return count === undefined ? undefined : Math.min(count, MAX_CREDITS);
}

function readCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** What is too long could not be sent back. */
function readTicketText(value: unknown): string | undefined {
  const text = readText(value);
  return text === undefined || text.length > MAX_CALLBACK_CHARS ? undefined : text;
}
