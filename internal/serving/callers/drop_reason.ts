/** Why nobody waits for the output of a request any more. @module */

import { RpcError } from "../../../errors.ts";

const WORDS = {
  cancelled: "its caller has cancelled it",
  expired: "its deadline has passed",
  orphaned: "its reply queue does not exist any more",
} as const;

/** Says why nobody waits for the output of a request any more. */
export function dropReason(code: keyof typeof WORDS): RpcError {
  return new RpcError(code, `Cannot go on with the request as ${WORDS[code]}`);
}
