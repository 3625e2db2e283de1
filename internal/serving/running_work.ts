/** What runs for requests, and what is around it, as the requests in hand know it. @module */

import type { RpcError } from "../../errors.ts";
import type { SettledOutcome } from "../../options/interceptors.ts";
import type { EncodedReply } from "../encoded_reply.ts";
import type { WorkPlace } from "../running/encoded_handler.ts";

/** The wait of one request for the reply to what runs. */
export type Seat = PromiseWithResolvers<EncodedReply>;

/** What runs for a request, perhaps for others, too. */
export interface RunningWork {
  /** When it must have ended, by `performance.now()`, the pauses of its reader not counted. */
  readonly endsAt: number;
  /** What its handler was begun with, if that is something else. */
  readonly scope?: object | undefined;
  /** The error of work that has not. */
  overrun(): RpcError;
  /** Settles the wait of a request that was dropped; tells whether it still waited. */
  abandon(seat: Seat, reason: RpcError): boolean;
  /** Where it is. */
  place(): WorkPlace;
  /** A request was dropped, and does not wait for the reply any more. */
  leave(seat: Seat, reason: RpcError): void;
  /** Allows so many items of a stream more. */
  grant(count: number): void;
}

/** What is around what runs, such as interceptors; told that its request does not wait any more. */
export interface SurroundingWork {
  /** Tells whether it still waited. */
  abandon(reason: RpcError): boolean;
  /** Told how its request was settled. */
  settled(outcome: SettledOutcome): void;
}
