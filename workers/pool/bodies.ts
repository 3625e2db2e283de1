/**
 * Bodies on their way into the pool, and replies on their way out of it.
 *
 * @module
 */

import { type Codec, codecFor, decodeUtf8, jsonCodec } from "../../codec.ts";
import { RpcError, RpcRemoteError } from "../../errors.ts";
import { readErrorDescription } from "../../internal/error_description.ts";
import { encodeError } from "../../internal/running/encode.ts";
import type { EncodedReply } from "../../internal/encoded_reply.ts";
import { TRANSFER_FROM_BYTES } from "../wire/protocol.ts";

/**
 * Makes a body the pool's own. A delivery's body is a view of a chunk of up to 64 KB that it
 * shares with other deliveries: posting the view would clone the whole chunk, and moving it would
 * take the other deliveries' bodies away.
 *
 * @param body The body, valid now only.
 * @param contentType What the body is.
 * @returns A short text as a string, anything else as a copy; `undefined` for a short text that is
 * not UTF-8.
 */
export function ownBody(
  body: Uint8Array,
  contentType: string | undefined,
): string | Uint8Array<ArrayBuffer> | undefined {
  // Which codecs there are beside JSON is known to the worker file alone.
  const isText = codecFor(contentType) === jsonCodec;
  if (!isText || body.length >= TRANSFER_FROM_BYTES) return new Uint8Array(body);
  try {
    return decodeUtf8(body);
  } catch {
    return undefined;
  }
}

/** The reply to a text that is not UTF-8: no worker needs to see it. */
export function notUtf8Reply(): EncodedReply {
  return encodeError(new RpcError("undecodable", "Cannot decode the input as it is not UTF-8"));
}

/**
 * Reads a reply for a caller in this process.
 *
 * @param procedure The procedure that was called.
 * @param reply What the worker replied.
 * @param codecs Codecs beside JSON.
 * @returns The output.
 * @throws {RpcRemoteError} If it is an error reply.
 */
export function readReply(
  procedure: string,
  reply: EncodedReply,
  codecs: readonly Codec[],
): unknown {
  const value = (codecFor(reply.contentType, codecs) ?? jsonCodec).decode(reply.body);
  if (reply.type === "output") return value;
  throw new RpcRemoteError(procedure, readErrorDescription(value));
}
