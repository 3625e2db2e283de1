/** Error replies. @module */

import { jsonCodec } from "../codec.ts";
import type { EncodedReply } from "../contract.ts";
import { describeError } from "../errors.ts";

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
