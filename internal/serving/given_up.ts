/** What a server says of a request that nobody will try again. @module */

import { RpcError } from "../../errors.ts";

/** Options of {@linkcode GivenUp}. */
export interface GivenUpOptions {
  /** How often the request was delivered. */
  readonly deliveries: number;
  /** Whether its caller may be told. */
  readonly mayReply?: boolean;
}

/** Why a request was given up. */
export class GivenUp {
  readonly error: RpcError;
  readonly deliveries: number;
  readonly mayReply: boolean;

  constructor(error: unknown, { deliveries, mayReply = true }: GivenUpOptions) {
    this.error = error instanceof RpcError ? error : new RpcError("handler-error", String(error));
    this.deliveries = deliveries;
    this.mayReply = mayReply;
  }
}
