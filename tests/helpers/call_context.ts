/** The context of a call that nobody made. @module */

import type { CallContext } from "../../contract.ts";

/** Makes a context that is never cancelled and keeps no progress. */
export function callContext(procedure: string): CallContext {
  return {
    procedure,
    correlationId: undefined,
    deadline: undefined,
    redeliveries: 0,
    headers: {},
    setReplyHeader: () => {},
    signal: new AbortController().signal,
    throwIfCancelled: () => {},
    progress: () => {},
  };
}
