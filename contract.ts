/**
 * The types that client, server and pool share: contracts, handlers and what passes between them.
 *
 * @module
 */

import type { Body } from "./codec.ts";

/**
 * What a server offers: procedure names and their functions. Take it from the server's own code
 * (`type MathContract = typeof procedures`) or write it as an interface of functions.
 */
export type Contract = object;

/** The contract of a client that was given none: any name, any input, unknown output. */
export type AnyContract = Record<string, (input: unknown) => unknown>;

/** The procedure names of a contract. */
export type ProcedureName<C extends Contract> = keyof C & string;

/** The input of one procedure of a contract; `undefined` if it takes none. */
export type InputOf<C extends Contract, Name extends keyof C> = C[Name] extends
  (...args: infer Args) => unknown ? Args[0] : never;

/** The output of one procedure of a contract. */
export type OutputOf<C extends Contract, Name extends keyof C> = C[Name] extends
  (...args: never[]) => infer Output ? Awaited<Output> : never;

/** What a handler may want to know of the call that it serves. */
export interface CallContext {
  /** The procedure that was called. */
  readonly procedure: string;
  /** The id that ties the reply to its call, if the request has one. */
  readonly correlationId: string | undefined;
  /** When the caller stops waiting, in Unix milliseconds, if the request says so. */
  readonly deadline: number | undefined;
  /** How often this request was delivered before: 0 the first time. */
  readonly redeliveries: number;
  /** Aborts when nobody waits for the output any more. */
  readonly signal: AbortSignal;
  /**
   * Throws if nobody waits for the output any more. In a worker it works where nothing else does, in
   * the middle of a loop that never awaits, and costs some 10 ns. In a worker that is a process it
   * sees only what came before the last `await`; there, the process is killed instead.
   *
   * @throws {DOMException} `AbortError`.
   */
  throwIfCancelled(): void;
  /**
   * Tells the caller how far the work has come, if the caller wants to know. Each call is a message:
   * once in some milliseconds is enough.
   *
   * @param value Anything that can be encoded.
   */
  progress(value: unknown): void;
}

/** The items of a procedure that streams: what its generator yields. */
export type ItemOf<Output> = unknown extends Output ? unknown
  : Output extends AsyncIterable<infer Item> | Iterable<infer Item> ? Item
  : never;

/** A function that runs a procedure. Whatever it throws becomes an error reply. */
export type Handler<Input = never, Output = unknown> = (
  input: Input,
  context: CallContext,
) => Output | Promise<Output>;

/**
 * The part of {@link https://standardschema.dev | Standard Schema} 1 that is used here. It is
 * declared and not imported, as its authors mean it to be: types alone need no package.
 *
 * @typeParam Input What the schema accepts.
 * @typeParam Output What it makes of it.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What schema libraries offer to everybody else. */
  readonly "~standard": {
    /** The version of the standard. */
    readonly version: 1;
    /** The name of the schema library. */
    readonly vendor: string;
    /** Checks a value. */
    readonly validate: (
      value: unknown,
    ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>;
    /** Only for the compiler: the types of what goes in and what comes out. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value: the value that it makes of it, or what is wrong with it. */
export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] };

/** One thing that is wrong with a value, as a schema library says it. */
export interface StandardSchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** Where in the value. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A request as a server hands it to a handler that decodes for itself, such as a pool's. */
export interface EncodedRequest {
  /** The procedure that was called. */
  readonly procedure: string;
  /** The encoded input. Bytes are valid until the handler returns its promise: copy to keep. */
  readonly body: Uint8Array;
  /** The content type of the body; absent means JSON text. */
  readonly contentType: string | undefined;
  /** Requests of a higher priority go first, from 0 to 9; absent means 0. */
  readonly priority?: number | undefined;
  /** What the request says beside its body. */
  readonly context: CallContext;
}

/** What a handler that encodes for itself gives back. */
export interface EncodedReply {
  /** Whether the body is the output or an {@linkcode ErrorDescription}. */
  readonly type: "output" | "error";
  /** The encoded output or error. */
  readonly body: Body;
  /** The content type of the body. */
  readonly contentType: string;
}

/** A value that a handler tells before its end: an item of a stream, or how far it has come. */
export interface EncodedItem {
  /** Counts the items of one request, or its progress, from 0. */
  readonly seq: number;
  /** The encoded value. */
  readonly body: Body;
  /** The content type of the body. */
  readonly contentType: string;
}

/** Takes what a handler tells before its end. */
export interface ItemSink {
  /** How many items the handler may send at first; absent if no stream is wanted. */
  readonly credits?: number;
  /** Takes an item of the stream. */
  onItem?(item: EncodedItem): void;
  /** Takes what the handler tells of its progress. */
  onProgress?(progress: EncodedItem): void;
}

/** A request that runs. */
export interface RunningRequest {
  /** The reply; rejects as that of {@linkcode EncodedHandler.handle} does. */
  readonly reply: Promise<EncodedReply>;
  /** Allows so many items more. */
  grant(count: number): void;
}

/** How many requests a handler takes at a time, so that a server asks the broker for no more. */
export interface HandlerCapacity {
  /** The most requests that it takes at the moment, those in hand included: 0 if it can run none. */
  readonly limit: number;
  /** How many of them keep it busy and leave the rest to other servers. */
  readonly recommended: number;
  /**
   * Calls back whenever one of them may have changed.
   *
   * @returns Ends that.
   */
  watch(listener: () => void): () => void;
}

/**
 * A handler that gets the body as it came and gives one back ready to send, so that bodies are
 * decoded and encoded elsewhere: in the worker that computes.
 *
 * @typeParam Run The function that it stands for, so that contracts can be checked.
 */
export interface EncodedHandler<Run = unknown> {
  /** Only a mark for the compiler; never set. */
  readonly run?: Run;
  /** How many requests it takes at a time; handlers that share the same object share its limit. */
  readonly capacity?: HandlerCapacity;
  /**
   * Runs a request.
   *
   * @throws {RpcError} If it was not run to its end for a reason that is not the handler's own:
   * `worker-crashed`, `overloaded`, `closed`. The error becomes the reply.
   */
  handle(request: EncodedRequest): Promise<EncodedReply>;
  /**
   * Runs a request whose caller wants its items or its progress. Absent if the handler has neither.
   *
   * @throws {RpcError} As {@linkcode EncodedHandler.handle} rejects.
   */
  start?(request: EncodedRequest, sink: ItemSink): RunningRequest;
}

/** The handlers that a server of a contract must have: functions, or a pool's handlers. */
export type Handlers<C extends Contract = Record<string, Handler>> = {
  readonly [Name in keyof C]: C[Name] | EncodedHandler<C[Name]>;
};
