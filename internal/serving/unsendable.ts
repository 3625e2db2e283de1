/** The error of a reply that cannot be published. @module */

import { RpcError } from "../../errors.ts";

/** Makes the error of a reply that cannot be published, which amqplib tells by throwing. */
export function unsendable(cause: unknown): RpcError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RpcError(
    "unencodable",
    `Cannot reply to the request as the reply does not fit into a message: ${reason}`,
    { cause },
  );
}
