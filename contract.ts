/**
 * The types that client, server and pool share: contracts, handlers and what passes between them.
 *
 * @module
 */

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
  /**
   * Aborts when nobody waits for the output any more. For a function on the server's own thread its
   * `reason` says why: an `RpcError` `cancelled`, `orphaned`, `disconnected` or `closed`, or
   * a `TimeoutError` at the deadline. In a worker it is an `AbortError`.
   */
  readonly signal: AbortSignal;
  /**
   * Throws if nobody waits for the output any more. In a worker it works where nothing else does, in
   * the middle of a loop that never awaits, and costs some 10 ns. In a worker that is a process it
   * sees only what came before the last `await`; there, the process is killed instead.
   *
   * @throws {unknown} The reason of `signal`.
   */
  throwIfCancelled(): void;
  /**
   * Tells the caller how far the work has come, if the caller wants to know. The first 64 calls are
   * a message each; of more, the latest of each 10 ms leaves, and the last one in any case.
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

/**
 * A handler that runs its procedure in a pool of workers: `pool.handlers()` makes them, and
 * `RpcServer.listen()` takes them. What is inside is this package's own affair.
 *
 * @typeParam Run The function that it stands for, so that contracts can be checked.
 */
export interface PoolHandler<Run = unknown> {
  /** Only a mark for the compiler; never set. */
  readonly "~runs": Run;
}

/** The handlers that a server of a contract must have: functions, or a pool's handlers. */
export type Handlers<C extends Contract = Record<string, Handler>> = {
  readonly [Name in keyof C]: C[Name] | PoolHandler<C[Name]>;
};
