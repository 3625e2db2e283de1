/** The call whose handler runs, for what that handler calls. @module */

import { AsyncLocalStorage } from "node:async_hooks";
import type { CallContext } from "../contract.ts";

/** Whoever runs a handler. */
export interface CallScope {
  /** What the handler is told of its call. */
  readonly context: CallContext;
}

/** The scope of the handler that runs. */
export const callScope: AsyncLocalStorage<CallScope> = new AsyncLocalStorage();
