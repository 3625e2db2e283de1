/**
 * Requests and replies as AMQP messages: which property and header carries what. The full text is
 * docs/protocol.md.
 *
 * @module
 */

import type { Body } from "../codec.ts";
import type { AmqpProperties, AmqpPublish } from "./amqp.ts";

/** When the caller stops waiting, in Unix milliseconds. */
const DEADLINE_HEADER = "rpc-deadline";
/** How often the client has published the request before: absent the first time. */
const ATTEMPT_HEADER = "rpc-attempt";

/** The pseudo-queue prefix of direct reply-to; see {@linkcode replyMessage}. */
const DIRECT_REPLY_TO_PREFIX = "amq.rabbitmq.reply-to";

/** A request to be published. */
export interface OutgoingRequest {
  readonly queue: string;
  readonly procedure: string;
  readonly body: Body;
  readonly contentType: string;
  readonly correlationId: string;
  /** Absent for a notification. */
  readonly replyTo: string | undefined;
  /** Unix milliseconds; absent for a notification, which is to be run however late. */
  readonly deadline: number | undefined;
  /** From 0. */
  readonly attempt: number;
}

/** What a delivered request says beside its body. Anybody may have written it. */
export interface IncomingRequest {
  /** Absent for a tutorial client: the server's default procedure. */
  readonly procedure: string | undefined;
  readonly contentType: string | undefined;
  readonly correlationId: string | undefined;
  /** Absent if no reply is wanted. */
  readonly replyTo: string | undefined;
  /** Unix milliseconds by the caller's clock. */
  readonly deadline: number | undefined;
}

/** A reply to be published. */
export interface OutgoingReply {
  readonly type: "output" | "error";
  readonly body: Body;
  readonly contentType: string;
  readonly correlationId: string | undefined;
  readonly replyTo: string;
}

/** Writes a request. It expires in its queue when nobody waits for it any more. */
export function requestMessage(request: OutgoingRequest): AmqpPublish {
  const { correlationId, replyTo, deadline, attempt } = request;
  return {
    queue: request.queue,
    body: request.body,
    mandatory: true,
    properties: {
      contentType: request.contentType,
      correlationId,
      deliveryMode: 2,
      headers: {
        ...(deadline === undefined ? {} : { [DEADLINE_HEADER]: deadline }),
        ...(attempt === 0 ? {} : { [ATTEMPT_HEADER]: attempt }),
      },
      type: request.procedure,
      ...(deadline === undefined ? {} : { expiration: expirationUntil(deadline) }),
      ...(replyTo === undefined ? {} : { replyTo }),
    },
  };
}

/** The broker takes whole, non-negative milliseconds only, and as text. */
function expirationUntil(deadline: number): string {
  return String(Math.max(0, Math.ceil(deadline - Date.now())));
}

/** Reads a request. Whatever has not the right form is as good as absent. */
export function readRequest(properties: AmqpProperties): IncomingRequest {
  const deadline = properties.headers?.[DEADLINE_HEADER];
  return {
    procedure: properties.type || undefined,
    contentType: properties.contentType || undefined,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo || undefined,
    deadline: typeof deadline === "number" && Number.isFinite(deadline) ? deadline : undefined,
  };
}

/**
 * Writes a reply. It is mandatory, so that the broker tells when the caller's queue is gone; but
 * not to a direct reply-to address, where some versions of RabbitMQ deliver and return it both.
 */
export function replyMessage(reply: OutgoingReply): AmqpPublish {
  const { correlationId, replyTo } = reply;
  return {
    queue: replyTo,
    body: reply.body,
    mandatory: !replyTo.startsWith(DIRECT_REPLY_TO_PREFIX),
    properties: {
      contentType: reply.contentType,
      deliveryMode: 1,
      type: reply.type,
      ...(correlationId === undefined ? {} : { correlationId }),
    },
  };
}

/** Tells whether a reply is an error. Tutorial servers set no type: theirs are outputs. */
export function isErrorReply(properties: AmqpProperties): boolean {
  return properties.type === "error";
}
