/** The call context of a handler that is called in its own process. @module */

import type { CallContext, HeaderValue, MessageHeaders } from "../../contract.ts";
import { withHeader } from "../message_headers.ts";

/** What a {@linkcode LocalContext} is told of its call. */
export interface LocalCall {
  readonly procedure: string;
  /** Unix milliseconds. */
  readonly deadline: number | undefined;
  readonly headers: MessageHeaders;
}

/** What a handler may know of a call that no broker has carried. */
export class LocalContext implements CallContext {
  readonly procedure: string;
  readonly correlationId: string = crypto.randomUUID();
  readonly deadline: number | undefined;
  readonly redeliveries = 0;
  readonly headers: MessageHeaders;
  /** What the handler has set; absent if nothing. */
  replyHeaders: MessageHeaders | undefined;
  readonly #controller = new AbortController();

  constructor({ procedure, deadline, headers }: LocalCall) {
    this.procedure = procedure;
    this.deadline = deadline;
    this.headers = headers;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  throwIfCancelled(): void {
    this.signal.throwIfAborted();
    if (this.deadline !== undefined && Date.now() >= this.deadline) {
      this.abort(new DOMException("The deadline of the call has passed", "TimeoutError"));
      this.signal.throwIfAborted();
    }
  }

  setReplyHeader(name: string, value: HeaderValue): void {
    this.replyHeaders = withHeader("set a header of the reply", this.replyHeaders, [name, value]);
  }

  /** Goes nowhere: the handlers of callers that want it get another context. */
  progress(_value: unknown): void {}

  /** Tells the handler that nobody waits for its output any more. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }
}
