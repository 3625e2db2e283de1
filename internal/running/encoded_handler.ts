/**
 * What is inside the opaque handlers of a pool: handlers that take bodies as they came and give
 * bodies back ready to send, so that decoding and encoding happen where the work is done.
 *
 * @module
 */

import type { CallContext, PoolHandler } from "../../contract.ts";
import type { EncodedReply, ItemSink } from "../encoded_reply.ts";
import type { RunTiming } from "../run_timing.ts";

/** A request as a server hands it to a handler. */
export interface EncodedRequest {
  /** The procedure that was called. */
  readonly procedure: string;
  /** The encoded input. Bytes are valid until `handle()` or `start()` returns: copy to keep. */
  readonly body: Uint8Array;
  /** The content type of the body; absent means JSON text. */
  readonly contentType: string | undefined;
  /** Requests of a higher priority go first, from 0 to 9; absent means 0. */
  readonly priority?: number | undefined;
  /** What the request says beside its body. */
  readonly context: CallContext;
  /** Where the handler notes how long it takes; absent if nobody wants to know. */
  readonly timing?: RunTiming | undefined;
}

/** A request that runs. */
export interface RunningRequest {
  /** The reply; rejects as {@linkcode EncodedHandler.handle} does. */
  readonly reply: Promise<EncodedReply>;
  /** Allows so many items more. */
  grant(count: number): void;
}

/** Where a request is that a handler was given. */
export type WorkPlace =
  | {
    readonly state: "running";
    /** The number of the worker; absent if there is none. */
    readonly worker?: number;
    /** For how long, in milliseconds. */
    readonly forMs?: number;
  }
  | {
    readonly state: "waiting";
    /** How many others are before it. */
    readonly ahead: number;
  };

/** How busy those are who do the work. */
export interface CapacityLoad {
  /** Those that work or could. */
  readonly workers: number;
  /** Those of them that work. */
  readonly busy: number;
  /** Those that died and are not back. */
  readonly crashed: number;
  /** Requests that wait for one of them. */
  readonly waiting: number;
}

/** How many requests a handler takes at a time, so that a server asks the broker for no more. */
export interface HandlerCapacity {
  /** The most requests that it takes at the moment, those in hand included: 0 if it can run none. */
  readonly limit: number;
  /** How many of them keep it busy and leave the rest to other servers. */
  readonly recommended: number;
  /** How busy its workers are, if it has some. */
  readonly load?: CapacityLoad;
  /** Tells where the request is that has this signal, if it knows. */
  locate?(signal: AbortSignal): WorkPlace | undefined;
  /**
   * Has more workers, or fewer, if it has workers.
   *
   * @throws {RangeError} If there cannot be as many.
   */
  resize?(workers: number): void;
  /**
   * Calls back whenever one of them may have changed.
   *
   * @returns Ends that.
   */
  watch(listener: () => void): () => void;
}

/** A handler that decodes and encodes for itself. */
export interface EncodedHandler {
  /** How many requests it takes at a time; handlers that share the same object share its limit. */
  readonly capacity?: HandlerCapacity;
  /** The longest that a request runs, in milliseconds; absent without a limit. */
  readonly timeLimitMs?: number | undefined;
  /**
   * Runs a request. It may throw at once what its promise would reject with.
   *
   * @throws {unknown} What the handler threw, or an `RpcError` if it was not run to its end for a
   * reason that is not its own: `worker-crashed`, `overloaded`, `closed`.
   */
  handle(request: EncodedRequest): Promise<EncodedReply> | EncodedReply;
  /**
   * Runs a request of JSON text, as {@linkcode EncodedHandler.handle} does. Present if the handler is a
   * function of this thread.
   */
  readonly runText?: (
    body: string,
    context: CallContext,
  ) => Promise<EncodedReply> | EncodedReply;
  /**
   * Runs a request whose caller wants its items or its progress. Absent if the handler has neither.
   *
   * @throws {unknown} As {@linkcode EncodedHandler.handle} does.
   */
  start?(request: EncodedRequest, sink: ItemSink): RunningRequest;
}

/** Registered, as the server that takes a handler may come from another copy of this package. */
const INSIDE = Symbol.for("@warren/rpc.encoded-handler");

/**
 * Makes a handler opaque, for users.
 *
 * @typeParam Run The function that it stands for.
 * @param handler What is inside.
 * @param call Runs it for whoever calls it as a function, and no server.
 * @returns What `RpcServer.listen()` takes.
 */
export function sealHandler<Run>(
  handler: EncodedHandler,
  call: (input: unknown, context?: CallContext) => unknown = notCallable,
): PoolHandler<Run> {
  const run = (input: unknown, context?: CallContext) => call(input, context);
  const sealed: unknown = Object.freeze(Object.assign(run, { [INSIDE]: handler }));
  // Its types are those of the function that it stands for.
  return sealed as PoolHandler<Run>;
}

function notCallable(): never {
  throw new TypeError("Cannot call the handler as it is only for servers");
}

/**
 * Finds what is inside a handler.
 *
 * @param handler Whatever a user gave.
 * @returns What {@linkcode sealHandler} was given; `undefined` if it made no such handler.
 */
export function openHandler(handler: unknown): EncodedHandler | undefined {
  if (typeof handler !== "function" || !(INSIDE in handler)) return undefined;
  // Only this file knows the symbol.
  return handler[INSIDE] as EncodedHandler;
}
