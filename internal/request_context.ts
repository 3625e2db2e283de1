/** The call context of a request that is being served. @module */

import type { CallContext } from "../contract.ts";
import type { IncomingRequest } from "./envelope.ts";

/** What a handler may know of its request, with a signal that costs nothing unless used. */
export class RequestContext implements CallContext {
  readonly procedure: string;
  readonly correlationId: string | undefined;
  readonly deadline: number | undefined;
  readonly redeliveries: number;
  #controller: AbortController | undefined;
  #abortReason: unknown;

  constructor(procedure: string, request: IncomingRequest, redeliveries: number) {
    this.procedure = procedure;
    this.correlationId = request.correlationId;
    this.deadline = request.deadline;
    this.redeliveries = redeliveries;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  /** Tells the handler that nobody waits for its output any more. */
  abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
  }
}
