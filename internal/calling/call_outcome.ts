/** What a reply, a return or a lost connection means to the caller. @module */

import type { Codec } from "../../codec.ts";
import { codecFor } from "../../codec.ts";
import { type CallReport, readErrorDescription, RpcError, RpcRemoteError } from "../../errors.ts";
import { checkBodySize } from "../check.ts";
import { type DeadLetterReason, isErrorReply, readDeadLetterReason } from "../protocol/envelope.ts";
import type { IncomingReply, PendingCall } from "./pending_call.ts";
import { toPrintable } from "../text.ts";

/** How a client reads replies. */
export interface ReplyReader {
  readonly maxBodyBytes: number;
  readonly codecs: readonly Codec[];
}

/** The part of a call that matters to its outcome; a reply after a restart has no more. */
export type CallSubject = Pick<PendingCall, "report"> & {
  readonly request: { readonly procedure: string; readonly immediate: boolean };
};

/**
 * Reads what arrived at the reply queue.
 *
 * @returns The output.
 * @throws {RpcRemoteError} If it is an error reply.
 * @throws {RpcError} If it is the request itself, come back; or `too-large` or `undecodable`.
 */
export function readReply(call: CallSubject, reply: IncomingReply, reader: ReplyReader): unknown {
  const { properties, body } = reply;
  const reason = readDeadLetterReason(properties);
  if (reason !== undefined) throw cameBack(call, reason);
  const { procedure } = call.request;
  const report = { call: call.report() };
  checkBodySize(body, reader.maxBodyBytes, {
    subject: `Cannot take the reply of "${procedure}" as it`,
    ...report,
  });
  const value = decode(call, reply, reader);
  if (!isErrorReply(properties)) return value;
  throw new RpcRemoteError(procedure, readErrorDescription(value), report);
}

/** The error of a call whose request no queue took. */
export function unroutable(call: PendingCall): RpcError {
  const { procedure, queue } = call.request;
  return new RpcError(
    "unroutable",
    `Cannot call "${procedure}" as queue "${queue}" does not exist: start a server`,
    { retryable: true, call: call.report() },
  );
}

/** The error of a call whose request the broker did not take. */
export function refused(call: PendingCall): RpcError {
  const { procedure, queue } = call.request;
  return new RpcError(
    "queue-full",
    `Cannot call "${procedure}" as the broker does not take messages for queue "${queue}": ` +
      "it is full, or has lost its leader",
    { retryable: true, call: call.report() },
  );
}

/** The error of a call that must not run twice and may have run. */
export function disconnected(call: PendingCall, cause: Error): RpcError {
  return new RpcError(
    "disconnected",
    `Cannot tell what became of the call of "${call.request.procedure}" as the connection was lost`,
    { cause, call: call.report() },
  );
}

/** The error of a call that ended for a reason of its client's, in the words of that reason. */
export function ended(call: CallReport, reason: RpcError): RpcError {
  const { code, message, retryable, details } = reason;
  return new RpcError(code, message, { cause: reason, retryable, details, call });
}

function decode(call: CallSubject, { properties, body }: IncomingReply, reader: ReplyReader) {
  const { procedure } = call.request;
  const { contentType } = properties;
  const codec = codecFor(contentType, reader.codecs);
  try {
    if (codec !== undefined) return codec.decode(body);
  } catch (error) {
    throw undecodable(error instanceof Error ? error.message : String(error), error);
  }
  throw undecodable(`there is no codec for content type "${toPrintable(contentType ?? "")}"`);

  function undecodable(reason: string, cause?: unknown): RpcError {
    const message = `Cannot decode the reply of "${procedure}" as it is broken: ${reason}`;
    return new RpcError("undecodable", message, { cause, call: call.report() });
  }
}

/** The error of a call whose request its queue dropped. */
function cameBack(call: CallSubject, reason: DeadLetterReason): RpcError {
  const { procedure, immediate } = call.request;
  const subject = `Cannot call "${procedure}" as`;
  const options = { call: call.report() };
  const retryable = { ...options, retryable: true };
  switch (reason) {
    case "expired":
      return immediate
        ? new RpcError("no-capacity", `${subject} no server has room for it now`, retryable)
        : new RpcError("expired", `${subject} it waited in its queue for too long`, retryable);
    case "rejected":
      return new RpcError("rejected", `${subject} a server rejected the request`, options);
    case "maxlen":
      return new RpcError("queue-full", `${subject} its queue is full`, retryable);
    case "delivery_limit":
      return new RpcError(
        "delivery-limit",
        `${subject} its request was given back too often: it may kill its servers`,
        options,
      );
  }
}
