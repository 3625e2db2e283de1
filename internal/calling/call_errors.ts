/** The errors that end a call on the client's side. @module */

import { type CallReport, RpcError, RpcTimeoutError } from "../../errors.ts";
import type { Body } from "../../codec.ts";
import type { BodyLimits } from "../broker/body_limits.ts";
import type { AmqpDelivery } from "../broker/amqp.ts";
import type { DeadLetterReason } from "../protocol/dead_letter.ts";
import { type ParkingReason, UNKNOWN_CALLBACK } from "../protocol/parked_message.ts";

/** The reason of calls that a closed client refuses or ends. */
export const CLOSED: RpcError = new RpcError(
  "closed",
  "Cannot complete the call as the client is closed",
);

/** The error of a call whose request the broker returned. */
export function unroutable(call: CallReport): RpcError {
  const { procedure, queue } = call;
  return new RpcError(
    "unroutable",
    `Cannot call "${procedure}" as queue "${queue}" does not exist: start a server`,
    { retryable: true, call },
  );
}

/** The error of a call whose request the broker refused. */
export function queueFull(call: CallReport): RpcError {
  const { procedure, queue } = call;
  return new RpcError(
    "queue-full",
    `Cannot call "${procedure}" as the broker does not take messages for queue "${queue}": ` +
      "it is full, or has lost its leader",
    { retryable: true, call },
  );
}

/** The error of a call whose input is larger than its client or the broker allows. */
export function tooLarge(call: CallReport, body: Body, limits: BodyLimits): RpcError {
  const subject = `Cannot call "${call.procedure}" as its input`;
  // However far it had come: nobody has it.
  return limits.refusal(body, { subject, call: { ...call, phase: "not-published" } });
}

/** The error of a call whose request does not fit into a message, for what it carries beside its input. */
export function unsendable(call: CallReport, cause: unknown): unknown {
  if (!(cause instanceof RangeError)) return cause;
  const message = `Cannot call "${call.procedure}" as its headers are too large: ${cause.message}`;
  return new RpcError("too-large", message, { cause, call: { ...call, phase: "not-published" } });
}

/** The error of a call that must not run twice and may have run. */
export function disconnected(call: CallReport, cause: Error): RpcError {
  return new RpcError(
    "disconnected",
    `Cannot tell what became of the call of "${call.procedure}" as the connection was lost`,
    { cause, call },
  );
}

/** The error of a call that found no place among the pending ones in its time. */
export function overloaded(call: CallReport, timeoutMs: number, maxPending: number): RpcError {
  return new RpcError(
    "overloaded",
    `Cannot call "${call.procedure}" as no place became free within ${timeoutMs} ms: ` +
      `${maxPending} calls are pending ("maxPending")`,
    { retryable: true, call },
  );
}

/**
 * The error of a call that had no reply in its time.
 *
 * @param call The call.
 * @param timeoutMs The time that it had.
 * @param state What is wrong with the client's connection, and what is known of the request, if anything.
 */
export function timedOut(
  call: CallReport,
  timeoutMs: number,
  { trouble, known }: {
    readonly trouble?: string | undefined;
    readonly known?: string | undefined;
  },
): RpcTimeoutError {
  const cause = trouble === undefined
    ? undefined
    : new Error(`Cannot publish as the client is ${trouble}`);
  return new RpcTimeoutError(call.procedure, timeoutMs, { call, cause, known });
}

/** The error of a call that another error ended: with its code and message. */
export function ended(call: CallReport, reason: RpcError): RpcError {
  const { code, message, retryable, details } = reason;
  return new RpcError(code, message, { cause: reason, retryable, details, call });
}

/** The error of a call whose reply cannot be decoded. */
export function undecodable(call: CallReport, reason: string, cause?: unknown): RpcError {
  const message = `Cannot decode the reply of "${call.procedure}" as it is broken: ${reason}`;
  return new RpcError("undecodable", message, { cause, call });
}

/** The error of a call for now or never that no server took. */
export function noCapacity(call: CallReport): RpcError {
  const message = `Cannot call "${call.procedure}" as no server has room for it now`;
  return new RpcError("no-capacity", message, { call, retryable: true });
}

/**
 * The error of a call whose request its queue dropped.
 *
 * @param call The call.
 * @param reason Why the queue dropped it.
 * @param immediate Whether the request was for now or never.
 */
export function dropped(call: CallReport, reason: DeadLetterReason, immediate: boolean): RpcError {
  const subject = `Cannot call "${call.procedure}" as`;
  const retryable = { call, retryable: true };
  switch (reason) {
    case "expired":
      return immediate
        ? noCapacity(call)
        : new RpcError("expired", `${subject} it waited in its queue for too long`, retryable);
    case "rejected":
      return new RpcError("rejected", `${subject} a server rejected the request`, { call });
    case "maxlen":
      return new RpcError("queue-full", `${subject} its queue is full`, retryable);
    case "delivery_limit":
      return new RpcError(
        "delivery-limit",
        `${subject} its request was given back too often: it may kill its servers`,
        { call },
      );
  }
}

/** Says that a reply queue does not exist any more. */
export function vanished(replyQueue: string): Error {
  return new Error(
    `Cannot go on with the connection as its reply queue "${replyQueue}" does not exist any more`,
  );
}

/** Why a reply is parked. */
export function unknownCallback(name: string, { redeliveries }: AmqpDelivery): ParkingReason {
  const message = `Cannot run callback "${name}" as none of that name is registered`;
  return { error: new RpcError(UNKNOWN_CALLBACK, message), deliveries: redeliveries + 1 };
}
