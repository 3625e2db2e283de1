/** Error replies. @module */

import { jsonCodec } from "../../codec.ts";
import type { EncodedReply } from "../../contract.ts";
import { describeError, RpcError } from "../../errors.ts";

/** Encodes whatever stopped a request as an error reply. */
export function errorReply(
  thrown: unknown,
  options: { readonly includeStack?: boolean } = {},
): EncodedReply {
  const description = describeError(thrown, options);
  const { contentType } = jsonCodec;
  try {
    return { type: "error", body: jsonCodec.encode(description), contentType };
  } catch {
    const { details: _, ...rest } = description;
    return { type: "error", body: jsonCodec.encode(rest), contentType };
  }
}

/** Makes the error of a reply that cannot be published, which amqplib tells by throwing. */
export function unsendable(cause: unknown): RpcError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RpcError(
    "unencodable",
    `Cannot reply to the request as the reply does not fit into a message: ${reason}`,
    { cause },
  );
}
