/**
 * What calls the procedures of a contract, whatever is behind it: a client, a pool, policies around a
 * client, or the double of a test.
 *
 * @module
 */

import type {
  AnyContract,
  AnyFunction,
  CallArguments,
  CallContext,
  Contract,
  ErrorsOf,
  InputOf,
  ItemOf,
  MemberErrors,
  MemberInput,
  MemberOutput,
  MemberProgress,
  MessageHeaders,
  OutputOf,
  PlainNames,
  Primitive,
  ProgressOf,
  StreamNames,
  StreamsAs,
  Unusable,
  WithMsgpack,
} from "./contract.ts";
import type { RpcPromise } from "./errors.ts";

/**
 * What calls the procedures of a contract: what a function takes that calls, and does not care how.
 * {@linkcode RpcClient} is one, and so is what `RpcClient.with()`, `WorkerPool.caller()`,
 * `withResilience()`, and in tests `fakeClient()` and `localClient()` give.
 *
 * @typeParam C The contract.
 */
export interface Caller<C extends Contract = AnyContract> {
  /** The procedures as members: `caller.api.users.get(input)` calls `users.get`. */
  readonly api: ClientApi<C>;
  /** Calls a procedure and waits for its output, as {@linkcode RpcClient.call}. */
  call<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, CallOptions<ProgressOf<C, Name>>>
  ): RpcPromise<OutputOf<C, Name>, ErrorsOf<C, Name>>;
  /** Calls a procedure and reads its items while it runs, as {@linkcode RpcClient.stream}. */
  stream<Name extends StreamNames<C>>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, StreamOptions<ProgressOf<C, Name>>>
  ): AsyncGenerator<ItemOf<OutputOf<C, Name>>, void, undefined>;
  /** Calls one procedure with many inputs, as {@linkcode RpcClient.map}. */
  map<Name extends PlainNames<C> & string>(
    procedure: Name,
    inputs: Iterable<InputOf<C, Name>> | AsyncIterable<InputOf<C, Name>>,
    options?: BatchOptions,
  ): AsyncGenerator<OutputOf<C, Name>, void, undefined>;
  /** Calls several procedures, as {@linkcode RpcClient.callAll}. */
  callAll<const Names extends readonly PlainNames<C>[]>(
    calls: { readonly [Index in keyof Names]: BatchCall<C, Names[Index]> },
    options?: BatchOptions,
  ): Promise<BatchOutputs<C, Names>>;
  /**
   * Calls a procedure without waiting, as {@linkcode RpcClient.callAsync}.
   *
   * @returns The id of the call, for logs.
   */
  callAsync<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallAsyncArguments<C, Name, CallOptions<ProgressOf<C, Name>>>
  ): string;
  /** Sends a request that wants no reply, as {@linkcode RpcClient.notify}. */
  notify<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, NotifyOptions>
  ): Promise<void>;
}

/**
 * Options of {@linkcode RpcClient.call} and {@linkcode RpcClient.callAsync}.
 *
 * @typeParam Progress What the procedure reports as its progress.
 */
export interface CallOptions<Progress = unknown> {
  /**
   * Time until the call rejects with `timeout`, in milliseconds, from 1 to 2147483647. The clock
   * starts at once, also while there is no connection.
   *
   * @default {RpcClientOptions.timeoutMs}
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Rejects the call with the signal's reason when it aborts, and tells the server to stop working
   * on it.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The call that this one is made for, from within its handler: its deadline and its cancellation
   * hold here, too.
   */
  readonly context?: Pick<CallContext, "deadline" | "signal"> | undefined;
  /**
   * Whether the request may be published again if the connection is lost, and run again if a worker
   * died of it, so that the handler may run twice. With `false` the call rejects with
   * `disconnected` or `worker-crashed` instead. A stream that is run again begins anew, and the items
   * that have come are left out: right only if its items are the same each time. With `false` it ends
   * with `disconnected` after the items that have come.
   *
   * @default {true}
   */
  readonly idempotent?: boolean | undefined;
  /**
   * Whether the call rejects with `no-capacity` unless a server has room for it now: in milliseconds
   * if no other request waits, and within a second if some do.
   *
   * @default {false}
   */
  readonly immediate?: boolean | undefined;
  /**
   * Requests of a higher priority go before others, from 0 to 9: those that wait in a server's pool,
   * and, if it can, those in the request queue. A replicated queue does from RabbitMQ 4.0 on (there
   * with two levels, 0 and above), and in strict order from 4.3 on; a classic one if it was declared
   * with `x-max-priority`.
   *
   * @default {0}
   */
  readonly priority?: number | undefined;
  /**
   * Called with each value that the handler gives to `context.progress()`, in order. What it throws
   * goes to `onEvent` as `callback-failed`.
   *
   * @default {undefined}
   */
  readonly onProgress?: ((value: Progress) => void) | undefined;
  /**
   * Names the work, in 1 to 255 bytes: a server runs requests of one caller with the same key and
   * input once, and answers all of them, also with `onProgress`: whoever joins is told what comes
   * from then on, if the first one listens. With another input the call rejects with
   * `idempotency-conflict`. See `callerId` for whose key it is. Several servers of a queue do so only
   * if they share a store. A stream has no key: it runs anew each time.
   *
   * @default {a new one for each call}
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Headers for the handler, which finds them in `context.headers`. See {@linkcode MessageHeaders}.
   *
   * @default {none}
   */
  readonly headers?: MessageHeaders | undefined;
  /**
   * Called once with what the last reply says beside its body, before the call settles; not if the
   * request itself comes back. What it throws goes to `onEvent` as `callback-failed`.
   *
   * @default {undefined}
   */
  readonly onReply?: ((reply: ReplyDetails) => void) | undefined;
}

/** What a reply says beside its body. */
export interface ReplyDetails {
  /** The headers that the handler has set. */
  readonly headers: MessageHeaders;
}

/**
 * Options of {@linkcode RpcClient.stream}.
 *
 * @typeParam Progress What the procedure reports as its progress.
 */
export interface StreamOptions<Progress = unknown> extends CallOptions<Progress> {
  /**
   * Time until the stream must have ended, in milliseconds, from 1 to 2147483647.
   *
   * @default {2_147_483_647}
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Longest wait for the next item, in milliseconds, from 1 to 2147483647, not counting the time
   * that the reader takes.
   *
   * @default {RpcClientOptions.timeoutMs}
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * Most items that are under way or wait to be read, from 1 to 1000: the handler goes no faster
   * than the reader. A reader that takes nothing for 5 s while other requests wait for a place in the
   * server, or for 10 minutes in any case, loses its stream: `timeout`.
   *
   * @default {64}
   */
  readonly credits?: number | undefined;
}

/** Options of {@linkcode RpcClient.notify}. */
export type NotifyOptions = Pick<CallOptions, "timeoutMs" | "signal" | "context" | "headers">;

/** Options of {@linkcode RpcClient.map} and {@linkcode RpcClient.callAll}. */
export interface BatchOptions extends Pick<CallOptions, "signal" | "context" | "headers"> {
  /**
   * How long the whole batch may take, its reader's pauses included, in milliseconds, from 1 to
   * 2,147,483,647.
   *
   * @default {undefined} No limit; each call has the client's `timeoutMs`.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Most calls of the batch that are under way at a time, at least 1.
   *
   * @default {64}
   */
  readonly concurrency?: number | undefined;
}

/** How a fire-and-forget call ended. */
export type CallResult<Output> =
  | { readonly ok: true; readonly output: Output }
  | { readonly ok: false; readonly error: unknown };

/** What a fire-and-forget call hands its result to. It may return a promise. */
export type CallCallback<Output> = (result: CallResult<Output>) => unknown;

/** One call of {@linkcode RpcClient.callAll}: a procedure's name and its input. */
export type BatchCall<C extends Contract, Name = PlainNames<C>> = Name extends
  PlainNames<C> & string ? readonly [
    procedure: Name,
    ...input: undefined extends InputOf<C, Name> ? [input?: InputOf<C, Name>]
      : [input: InputOf<C, Name>],
  ]
  : never;

/** The outputs of {@linkcode RpcClient.callAll}, in the order of its calls. */
export type BatchOutputs<C extends Contract, Names extends readonly unknown[]> = {
  -readonly [Index in keyof Names]: OutputOf<C, Names[Index] & string>;
};

/**
 * The arguments of {@linkcode RpcClient.callAsync} after the procedure's name; the input may be left out
 * where it may be undefined, before a function.
 *
 * @typeParam Named What may stand for the callback, beside a function.
 */
export type CallAsyncArguments<
  C extends Contract,
  Name extends string,
  Options,
  Named = never,
  Input = InputOf<C, Name>,
> = undefined extends Input ?
    | [callback: CallCallback<OutputOf<C, Name>>, options?: Options | undefined]
    | [
      input: Input,
      callback: CallCallback<OutputOf<C, Name>> | Named,
      options?: Options | undefined,
    ]
  : [
    input: [Input] extends [never] ? Unusable<"no value is the input of each such procedure">
      : Input,
    callback: CallCallback<OutputOf<C, Name>> | Named,
    options?: Options | undefined,
  ];

/**
 * The procedures of a contract as members: what {@linkcode RpcClient.api} is. A procedure that gives
 * one output returns a promise of it, one that streams is read with `for await`.
 */
export type ClientApi<C extends Contract> = {
  readonly [Name in keyof C as C[Name] extends Primitive ? never : Name]-?: ApiMember<
    NonNullable<C[Name]>,
    C extends WithMsgpack ? WithMsgpack : unknown
  >;
};

/** A member of {@linkcode ClientApi}: a procedure, or an object of them. */
export type ApiMember<Member, Wire = unknown> = Member extends AnyFunction ? StreamsAs<
    Member,
    (
      ...rest: CallArguments<MemberInput<Member, Wire>, StreamOptions<MemberProgress<Member>>>
    ) => AsyncGenerator<
      ItemOf<MemberOutput<Member, Wire>>,
      void,
      undefined
    >,
    (
      ...rest: CallArguments<MemberInput<Member, Wire>, CallOptions<MemberProgress<Member>>>
    ) => RpcPromise<
      MemberOutput<Member, Wire>,
      MemberErrors<Member>
    >
  >
  : Member extends object ? ClientApi<Member & Wire>
  : never;
