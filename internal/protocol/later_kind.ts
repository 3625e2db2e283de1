/** What a later version of the protocol may add beside replies. @module */

import type { AmqpProperties } from "../broker/amqp.ts";
import { readDeadLetterReason } from "./dead_letter.ts";

/**
 * Tells whether a message for a client is of a kind that a later version has added, beside the reply.
 * The names of such kinds begin with `rpc.`; those of other programs are types of outputs.
 */
export function isLaterKind(properties: AmqpProperties): boolean {
  const isNamedSo = properties.type?.startsWith("rpc.") ?? false;
  // A request that comes back has the name of its procedure there, whatever it is.
  return isNamedSo && readDeadLetterReason(properties) === undefined;
}
