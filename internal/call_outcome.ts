/** What a reply, a return or a lost connection means to the caller. @module */

import { codecFor } from "../codec.ts";
import { readErrorDescription, RpcError, RpcRemoteError } from "../errors.ts";
import { checkBodySize } from "./body_size.ts";
import { isErrorReply } from "./envelope.ts";
import type { IncomingReply } from "./pending_calls.ts";

/**
 * Reads a reply.
 *
 * @returns The output.
 * @throws {RpcRemoteError} If it is an error reply.
 * @throws {RpcError} `too-large` or `undecodable`.
 */
export function readReply(procedure: string, reply: IncomingReply, maxBodyBytes: number): unknown {
  const { properties, body } = reply;
  checkBodySize(body, maxBodyBytes, `Cannot take the reply of "${procedure}" as it`);
  const codec = codecFor(properties.contentType);
  if (codec === undefined) {
    throw new RpcError(
      "undecodable",
      `Cannot decode the reply of "${procedure}" as there is no codec for content type ` +
        `"${properties.contentType}"`,
    );
  }
  const value = codec.decode(body);
  if (!isErrorReply(properties)) return value;
  throw new RpcRemoteError(procedure, readErrorDescription(value));
}

/** The error of a call whose request no queue took. */
export function unroutable(procedure: string, queue: string): RpcError {
  return new RpcError(
    "unroutable",
    `Cannot call "${procedure}" as queue "${queue}" does not exist: start a server`,
    { retryable: true },
  );
}

/** The error of a call whose request the broker did not take. */
export function refused(procedure: string, queue: string): RpcError {
  return new RpcError(
    "overloaded",
    `Cannot call "${procedure}" as the broker does not take messages for queue "${queue}": ` +
      "it is full, or has lost its leader",
    { retryable: true },
  );
}

/** The error of a call that must not run twice and may have run. */
export function disconnected(procedure: string, cause: Error): RpcError {
  return new RpcError(
    "disconnected",
    `Cannot tell what became of the call of "${procedure}" as the connection was lost`,
    { cause },
  );
}
