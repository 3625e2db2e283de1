/**
 * The types that client, server and pool share: contracts, handlers and what passes between them. A
 * contract in a package of its own needs no more than this.
 *
 * @module
 */

/**
 * What a server offers: procedure names and their functions. Take it from the server's own code
 * (`type MathContract = typeof procedures`) or write it as an interface of functions. Procedures may
 * be optional, and stand in objects: `{ users: { get } }` has the procedure `"users.get"`.
 */
export type Contract = object;

/** The contract of a client that was given none: any name, any input, unknown output. */
export type AnyContract = Record<string, (input: unknown) => unknown>;

/** Any function. */
export type AnyFunction = (...args: never[]) => unknown;

/** The function of a member of a contract: a pool's handler stands for the one that it runs. */
export type FunctionOf<Member> = Member extends AnyFunction
  ? Member extends PoolHandler<infer Run> ? FunctionOf<Run> : Member
  : never;

/**
 * What says its input and its output, as `procedure()` does: to read that costs the compiler a fraction
 * of what it costs to take a function's type apart.
 */
export interface Typed<Input, Output> {
  /** Only a mark for the compiler; never set. */
  readonly "~types": readonly [input: Input, output: Output];
}

/** The member of a contract that has the name, if only by way of the objects before its last dot. */
export type MemberOf<C, Name> = string extends keyof C ? C[keyof C]
  : Name extends keyof C ? C[Name]
  : Name extends `${infer Outer}.${infer Inner}`
    ? Outer extends keyof C ? MemberOf<NonNullable<C[Outer]>, Inner> : never
  : never;

/** The names of a member's procedures: a function is one, an object has some, all else has none. */
export type NamesOf<Member, Name extends string> = Member extends
  Typed<unknown, unknown> | AnyFunction ? Name
  : Member extends readonly unknown[] ? never
  : Member extends object ? `${Name}.${ProcedureName<Member>}`
  : never;

/** The procedure names of a contract. */
export type ProcedureName<C extends Contract> = string extends keyof C ? string : {
  [Name in keyof C & string]-?: NamesOf<NonNullable<C[Name]>, Name>;
}[keyof C & string];

/** What streams items: an async generator, a `ReadableStream` and the like, or a generator. */
export type Streamed<Item = unknown> = AsyncIterable<Item> | Generator<Item, unknown, never>;

/** What is one of them at run time, too. */
export type AnyStreamed = Streamed | (Iterable<unknown> & Pick<Iterator<unknown>, "next">);

/** Whether a member streams, as one or the other; of what is not known, both. */
export type StreamsAs<Member, Yes, No> = [Member] extends [Typed<unknown, infer Output>]
  ? KindOf<Output, Yes, No>
  : FunctionOf<Member> extends (...args: never[]) => infer Output ? KindOf<Awaited<Output>, Yes, No>
  : never;

/** Whether an output is a stream, as one or the other; of what is not known, both. */
export type KindOf<Output, Yes, No> = unknown extends Output ? Yes | No
  : [Output] extends [never] ? No
  : [Output] extends [AnyStreamed] ? Yes
  : No;

/** The names of the procedures that give one output: those for `call()`. */
export type PlainNames<C extends Contract> = {
  [Name in ProcedureName<C>]: StreamsAs<MemberOf<C, Name>, never, Name>;
}[ProcedureName<C>];

/** The names of the procedures that stream items: those for `stream()`. */
export type StreamNames<C extends Contract> = {
  [Name in ProcedureName<C>]: StreamsAs<MemberOf<C, Name>, Name, never>;
}[ProcedureName<C>];

/**
 * The input of one procedure of a contract; `undefined` if it takes none. What JSON cannot carry is
 * {@linkcode Unusable} in it, unless the contract is {@linkcode WithMsgpack}.
 */
export type InputOf<C extends Contract, Name extends string> = MemberInput<MemberOf<C, Name>, C>;

/** The input of a member of a contract; what JSON cannot carry is not usable, unless `C` says so. */
export type MemberInput<Member, C> = [Member] extends [Typed<infer Input, unknown>]
  ? OnWire<Input, C, bigint>
  : FunctionOf<Member> extends (...args: infer Args) => unknown
    ? FunctionOf<Member> extends Handler ? OnWire<Args[0], C, bigint>
    : Unusable<"a procedure takes one input: make an object of its parameters">
  : never;

/** The mark of contracts whose values travel as MessagePack: dates, maps, sets and bytes are what they are. */
export interface WithMsgpack {
  /** Only a mark for the compiler; never set. */
  readonly "~wire": "msgpack";
}

/** What becomes of a value on its way. By JSON a `bigint` arrives as a `number` if it is small. */
export type OnWire<Value, C, Integer> = [Value] extends [JsonPlain] ? Value
  : C extends WithMsgpack ? [CodeIn<Value>] extends [never] ? Value : ByMsgpack<Value>
  : Value extends Uint8Array ? Value
  : [OddIn<Value, Integer>] extends [never] ? Value
  : ByJson<Value, Integer>;

/**
 * What JSON carries as it is: to see that a value is of it costs the compiler a fraction of a search
 * for what is not. Interfaces are never of it, as they may be extended.
 */
export type JsonPlain =
  | string
  | number
  | boolean
  | null
  | undefined
  | void
  | readonly JsonPlain[]
  | { readonly [key: string]: JsonPlain };

/** What of a value JSON does not carry as it is, five levels deep. */
export type OddIn<Value, Integer, Depth extends number = 5> = unknown extends Value ? never
  : Value extends Primitive | undefined | void ? Value extends Integer ? never
    : Value extends bigint | symbol ? Value
    : never
  : Value extends OddObject ? Value
  : [Depth] extends [never] ? never
  : Value extends readonly (infer Item)[] ? OddIn<Item, Integer, Less[Depth]>
  : { [Key in keyof Value]-?: OddIn<Value[Key], Integer, Less[Depth]> }[keyof Value];

/** One level less. */
export type Less = [never, 0, 1, 2, 3, 4];

/** Objects that JSON does not carry. */
export type OddObject =
  | Date
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | Uint8Array
  | AnyFunction;

/** What of a value no codec carries, five levels deep. */
export type CodeIn<Value, Depth extends number = 5> = unknown extends Value ? never
  : Value extends AnyFunction | symbol ? Value
  : Value extends Primitive | OddObject | undefined | void ? never
  : [Depth] extends [never] ? never
  : Value extends readonly (infer Item)[] ? CodeIn<Item, Less[Depth]>
  : { [Key in keyof Value]-?: CodeIn<Value[Key], Less[Depth]> }[keyof Value];

/** A value as MessagePack carries it. */
export type ByMsgpack<Value> = unknown extends Value ? Value
  : Value extends AnyFunction ? Unusable<"functions do not travel">
  : Value extends symbol ? Unusable<"symbols do not travel">
  : Value extends Primitive | OddObject | undefined | void ? Value
  : { readonly [Key in keyof Value]: ByMsgpack<Value[Key]> };

/** A value as JSON carries it. */
export type ByJson<Value, Integer> = unknown extends Value ? Value
  : Value extends bigint ? Integer | Value
  : Value extends symbol ? Unusable<"symbols do not travel">
  : Value extends Primitive | undefined | void ? Value
  : Value extends AnyFunction ? Unusable<"functions do not travel">
  : Value extends OddObject ? Unusable<"JSON cannot carry it: use msgpackCodec">
  : { readonly [Key in keyof Value]: ByJson<Value[Key], Integer> };

/** The inputs of all procedures of a contract, by name. */
export type InferInputs<C extends Contract> = {
  readonly [Name in ProcedureName<C>]: InputOf<C, Name>;
};

/** The outputs of all procedures of a contract that give one, by name. */
export type InferOutputs<C extends Contract> = {
  readonly [Name in PlainNames<C> & string]: OutputOf<C, Name>;
};

/** The items of all procedures of a contract that stream, by name. */
export type InferItems<C extends Contract> = {
  readonly [Name in StreamNames<C> & string]: ItemOf<OutputOf<C, Name>>;
};

/** The output of one procedure of a contract, as it arrives: by JSON a `bigint` may be a `number`. */
export type OutputOf<C extends Contract, Name extends string> = MemberOutput<MemberOf<C, Name>, C>;

/** The output of a member of a contract, as it arrives. */
export type MemberOutput<Member, C> = [Member] extends [Typed<unknown, infer Output>]
  ? Arriving<Output, C>
  : FunctionOf<Member> extends (...args: never[]) => infer Output ? Arriving<Awaited<Output>, C>
  : never;

/** An output, or the items of a stream, as they arrive. */
export type Arriving<Output, C> = unknown extends Output ? Output
  : [Output] extends [never] ? never
  : [Output] extends [AnyStreamed] ? AsyncIterable<OnWire<ItemOf<Output>, C, number>>
  : OnWire<Output, C, number>;

/**
 * A procedure that says which errors it throws: code by code, the type of its `details`. In a
 * contract that is written first: `get: Procedure<{ id: string }, User, { NOT_FOUND: { id: string } }>`.
 *
 * @typeParam Errors The details of each error, by its code.
 * @typeParam Progress What its `context.progress()` takes, and a caller's `onProgress` is given.
 */
export type Procedure<Input, Output, Errors extends object = never, Progress = unknown> =
  & Handler<Input, Output>
  & ThrowsErrors<Errors>
  & ReportsProgress<Progress>;

/** What tells the compiler of the values that a procedure reports as its progress. */
export interface ReportsProgress<Progress> {
  /** Only a mark for the compiler; never set. */
  readonly "~progress": Progress;
}

/** What tells the compiler of the errors that a procedure throws. */
export interface ThrowsErrors<Errors extends object> {
  /** Only a mark for the compiler; never set. */
  readonly "~errors": Errors;
}

/** The errors that a procedure of a contract says it throws: their details, by code. */
export type ErrorsOf<C extends Contract, Name extends string> = MemberErrors<MemberOf<C, Name>>;

/** What a procedure of a contract reports as its progress; `unknown` if it does not say so. */
export type ProgressOf<C extends Contract, Name extends string> = MemberProgress<
  MemberOf<C, Name>
>;

/** The errors that a member of a contract says it throws. */
export type MemberErrors<Member> = FunctionOf<Member> extends ThrowsErrors<infer Errors> ? Errors
  : never;

/** What a member of a contract reports as its progress; `unknown` if it does not say so. */
export type MemberProgress<Member> = FunctionOf<Member> extends ReportsProgress<infer Progress>
  ? Progress
  : unknown;

/** What the handler of a procedure is told of its call, if it says what its progress is. */
export interface ProgressContext<Progress> extends CallContext {
  /** Tells the caller how far the work has come, if the caller wants to know. */
  progress(value: Progress): void;
}

/** What no value is of, and why: the compiler's message shows the reason. */
export interface Unusable<Reason extends string> {
  /** Only a mark for the compiler; never set. */
  readonly "~unusable": Reason;
}

/** What a header of the user's can be. A number is at most 2^53 - 1 from 0. */
export type HeaderValue = string | number | boolean;

/**
 * Headers of the user's beside a request or a reply, by name: a letter and up to 127 letters, digits,
 * `_`, `-` and `.`. Names that begin with `rpc-` or `x-`, `CC` and `BCC` are not to be used. All of one
 * message take at most 48 KiB.
 */
export type MessageHeaders = Readonly<Record<string, HeaderValue>>;

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
  /** The headers that the caller has set. Anybody may have sent them. */
  readonly headers: MessageHeaders;
  /**
   * Sets a header of the reply, be it an output, an error or the end of a stream.
   *
   * @throws {TypeError} If the name or the value cannot be a header.
   * @throws {RangeError} If the headers take too many bytes.
   */
  setReplyHeader(name: string, value: HeaderValue): void;
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

/** The arguments after the procedure's name; the input may be left out where it may be undefined. */
export type CallArguments<Input, Options> = undefined extends Input
  ? [input?: Input, options?: Options]
  : [Input] extends [never]
    ? [input: Unusable<"no value is the input of each such procedure">, options?: Options]
  : [input: Input, options?: Options];

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

/**
 * Never a schema: it stands beside one that a contract asks for, and the compiler's message shows the
 * reason instead of all that differs within two schemas.
 */
export interface OtherSchema<Reason extends string> extends StandardSchema, Unusable<Reason> {
  /** As zod's schemas and valibot's have it: the compiler tells of what has most in common. */
  readonly type?: unknown;
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
  /** Runs the procedure in a worker; the context's deadline and signal hold for it. */
  (input: RunInput<Run>, context?: CallContext): RunOutput<Run>;
  /** Only a mark for the compiler; never set. */
  readonly "~runs": Run;
}

/** What a function takes. */
export type RunInput<Run> = Run extends (...args: infer Args) => unknown ? Args[0] : never;

/** What comes of a function that runs in a worker: a promise, or the items. */
export type RunOutput<Run> = Run extends (...args: never[]) => infer Output ? KindOf<
    Awaited<Output>,
    AsyncGenerator<ItemOf<Awaited<Output>>, void, undefined>,
    Promise<Awaited<Output>>
  >
  : unknown;

/** What a handler may give where its contract has an output: any stream for a stream. */
export type Given<Output> = [Output] extends [never] ? never
  : [Output] extends [AnyStreamed] ? Streamed<ItemOf<Output>>
  : Output;

/** What serves a member of a contract. */
export type HandlerOf<Member> = Member extends AnyFunction
  ? FunctionOf<Member> extends (...args: infer Args) => infer Output
    ? FunctionOf<Member> extends ReportsProgress<infer Progress>
      ? ReportingHandler<Args[0], Given<Awaited<Output>>, Progress>
    : Handler<Args[0], Given<Awaited<Output>>>
  : never
  : Member extends object ? Handlers<Member>
  : never;

/** A handler of a contract that says what the progress of the procedure is. */
export type ReportingHandler<Input, Output, Progress> = (
  input: Input,
  context: ProgressContext<Progress>,
) => Output | Promise<Output>;

/** What is no member of a contract, such as a field of a class. */
export type Primitive = string | number | bigint | boolean | symbol | null;

/**
 * The handlers that a server of a contract must have: functions, async or not, with the context or
 * without; procedures; or a pool's handlers.
 */
export type Handlers<C extends Contract = Record<string, Handler>> = {
  readonly [Name in keyof C as C[Name] extends Primitive ? never : Name]: HandlerOf<C[Name]>;
};

/** Handlers of any contract, in objects or not. */
export interface AnyHandlers {
  /** A function, or more of them. */
  readonly [name: string]: Handler | AnyHandlers;
}

/** What can be served at all, whatever its contract: functions of one input and the context. */
export type Servable<H> = {
  readonly [Name in keyof H]: unknown extends H[Name] ? Handler | object
    : NonNullable<H[Name]> extends Handler ? unknown
    : NonNullable<H[Name]> extends AnyFunction ? Handler
    : NonNullable<H[Name]> extends object ? Servable<H[Name]>
    : Handler;
};

/**
 * Types the handlers of a contract that was written first, each where it stands.
 *
 * @typeParam C The contract.
 * @returns A function that takes the handlers, all of them and no others, and gives them back.
 *
 * @example Handlers of an interface
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { implement } from "@warren/rpc/contract";
 *
 * interface Sums {
 *   add(input: { a: number; b: number }): number;
 * }
 * const handlers = implement<Sums>()({ add: async ({ a, b }) => await Promise.resolve(a + b) });
 * assertEquals(Object.keys(handlers), ["add"]);
 * ```
 */
export function implement<C extends Contract>(): <H extends Handlers<C>>(
  handlers: H & NoMoreThan<C, H>,
) => H {
  return (handlers) => handlers;
}

/** Handlers that a contract has; one that it has not would be served to anybody. */
export type NoMoreThan<C, H> = {
  readonly [Name in Exclude<keyof H, keyof C>]: Unusable<"the contract has no such procedure">;
};
