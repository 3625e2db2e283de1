/**
 * Errors that callers catch, and the form in which a handler's error travels.
 *
 * @module
 */

/**
 * Why a call has no output. A handler that throws an error with a `code` of its own puts that
 * code here instead, which is why any string is allowed.
 *
 * | code | meaning | was it run? |
 * | --- | --- | --- |
 * | `access-refused` | the broker refuses the user, or the virtual host | no |
 * | `circuit-open` | too many calls failed lately: see `@warren/rpc/resilience` | no |
 * | `closed` | the client, server or pool was closed | perhaps, if it was already published |
 * | `cancelled` | `cancel()` was called, or the server was told so | perhaps in part |
 * | `delivery-limit` | the request was given back too often, for example as it kills its servers | perhaps in part |
 * | `disconnected` | the connection was lost and the outcome is unknown | perhaps |
 * | `expired` | the request waited in its queue until its deadline | no |
 * | `handler-error` | the handler threw an error without a `code` | yes |
 * | `idempotency-conflict` | the idempotency key stands for another input | no |
 * | `in-use` | somebody else has the parked requests open | no |
 * | `invalid-input` | the input does not match the procedure's schema | no |
 * | `invalid-output` | the output does not match a schema | yes |
 * | `misconfigured` | the broker cannot be used as asked: TLS, arguments of a queue, permissions | no |
 * | `no-capacity` | `immediate`, and no server had room | no |
 * | `not-a-stream` | `stream()` of a procedure that is no generator | yes |
 * | `orphaned` | the caller's reply queue does not exist any more; only a handler is told | perhaps in part |
 * | `overloaded` | no place became free in time among the pending calls, or in a pool | no |
 * | `protocol` | the other side does not keep to the protocol | perhaps |
 * | `queue-full` | the broker refused or dropped the request: its queue is full, or has lost its leader | no |
 * | `reply-to-refused` | the request's reply queue is none that the server may publish to | no |
 * | `rejected` | a server rejected the request without a reply | perhaps |
 * | `timeout` | no reply before the deadline | perhaps |
 * | `too-large` | a body is larger than `maxBodyBytes`, or than the broker takes | no, if it was the input |
 * | `unavailable` | the store of idempotency keys fails, so that nobody knows whether the work was done | no |
 * | `undecodable` | a body is not what its content type says, or headers cannot be read | no, if it was the input |
 * | `unencodable` | a value cannot be carried by the codec | no, if it was the input |
 * | `unknown-callback` | no callback of that name is registered; only parked replies say so | yes |
 * | `unknown-procedure` | the server has no procedure of that name | no |
 * | `unwanted-stream` | `call()` of a procedure that is a generator | no |
 * | `unreachable` | no connection to the broker | no |
 * | `unroutable` | the request queue does not exist | no |
 * | `worker-crashed` | the worker died while it ran the task | perhaps in part |
 * | `worker-not-started` | the worker file cannot be used | no |
 */
export type RpcErrorCode = KnownErrorCode | (string & Record<never, never>);

/** The codes of {@linkcode RpcErrorCode} that this library gives. */
export type KnownErrorCode =
  | "access-refused"
  | "circuit-open"
  | "closed"
  | "cancelled"
  | "delivery-limit"
  | "disconnected"
  | "expired"
  | "handler-error"
  | "idempotency-conflict"
  | "in-use"
  | "invalid-input"
  | "invalid-output"
  | "misconfigured"
  | "no-capacity"
  | "not-a-stream"
  | "orphaned"
  | "overloaded"
  | "protocol"
  | "queue-full"
  | "rejected"
  | "reply-to-refused"
  | "timeout"
  | "too-large"
  | "unavailable"
  | "undecodable"
  | "unencodable"
  | "unknown-callback"
  | "unknown-procedure"
  | "unreachable"
  | "unroutable"
  | "unwanted-stream"
  | "worker-crashed"
  | "worker-not-started";

/**
 * How far a call had come, as far as its client knows.
 *
 * - `not-published`: the request was never sent; it was not run.
 * - `unconfirmed`: it was sent, and the broker has not said that it has it.
 * - `queued`: the broker has it; a server may have started it.
 * - `running`: a server has started it.
 * - `replied`: a reply arrived.
 */
export type CallPhase = "not-published" | "unconfirmed" | "queued" | "running" | "replied";

/**
 * Where the time of a call went, in milliseconds. Each part is measured, none is what the others leave:
 * that is `unknownMs`. Without a reply that tells, what comes after the broker's confirm is unknown.
 */
export interface CallTiming {
  /**
   * It waited for a place: among the pending calls, for a connection, and at the server for its
   * handler or a worker.
   */
  readonly backlogMs: number;
  /** The request waited in its queue. */
  readonly queuedMs: number;
  /** The handler ran. */
  readonly runMs: number;
  /** Input and output were encoded and decoded, on both sides. */
  readonly encodeMs: number;
  /** Request and reply were on their way. */
  readonly transitMs: number;
  /** All of it, from `call()` on. */
  readonly totalMs: number;
  /** What none of the parts has. */
  readonly unknownMs: number;
}

/** Which call an error belongs to, and how far it had come. */
export interface CallReport {
  /** The procedure that was called. */
  readonly procedure: string;
  /** The request queue. */
  readonly queue: string;
  /** Time from `call()` to the error, in milliseconds. */
  readonly elapsedMs: number;
  /** How far it had come. */
  readonly phase: CallPhase;
  /** Where its time went; absent for a call that was not started. */
  readonly timing?: CallTiming;
}

/** Options of {@linkcode RpcError}. */
export interface RpcErrorOptions extends ErrorOptions {
  /**
   * Data for the caller, sent with an error reply. Must be encodable.
   *
   * @default {undefined}
   */
  readonly details?: unknown;
  /**
   * Whether the same call may succeed later.
   *
   * @default {false}
   */
  readonly retryable?: boolean;
  /**
   * The call that failed.
   *
   * @default {undefined}
   */
  readonly call?: CallReport;
}

/**
 * A failure that a caller is expected to catch and to tell apart by its `code`. A handler may
 * throw one to choose the `code` and the `details` that its caller sees.
 *
 * @example Telling failures apart
 * ```ts
 * import { RpcError } from "@warren/rpc";
 *
 * function advice(error: unknown): string {
 *   if (!(error instanceof RpcError)) return "a bug";
 *   return error.code === "unroutable" ? "start a server first" : error.message;
 * }
 * console.log(advice(new RpcError("unroutable", "Cannot call as there is no such queue")));
 * ```
 */
export class RpcError extends Error {
  /** The class's name. */
  override readonly name: string = "RpcError";
  /** The reason, as one word to match on. */
  readonly code: RpcErrorCode;
  /** Data that came with the error, or `undefined`. */
  readonly details: unknown;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** The call that failed, or `undefined` for an error that belongs to none. */
  readonly call: CallReport | undefined;

  /**
   * Makes an error with a reason to match on.
   *
   * @param code The reason, as one word.
   * @param message What could not be done, and why.
   * @param options Cause, details and whether a retry may help.
   */
  constructor(code: RpcErrorCode, message: string, options: RpcErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details;
    this.retryable = options.retryable ?? false;
    this.call = options.call;
  }
}

/** The error of a call that had no reply before its deadline. */
export class RpcTimeoutError extends RpcError {
  /** The class's name. */
  override readonly name = "RpcTimeoutError";
  /** The procedure that was called. */
  readonly procedure: string;
  /** The time that the call was given, in milliseconds. */
  readonly timeoutMs: number;

  /**
   * Makes the error of a call whose deadline has passed.
   *
   * @param procedure The procedure that was called.
   * @param timeoutMs The time that the call was given, in milliseconds.
   * @param options How far the call had come, what else is known of its request, and what was wrong
   * with its client's connection.
   */
  constructor(
    procedure: string,
    timeoutMs: number,
    options: Pick<RpcErrorOptions, "call" | "cause"> & { readonly known?: string | undefined } = {},
  ) {
    const { call, cause, known } = options;
    const phase = call === undefined ? "" : `: its request was ${call.phase}${whereTo(call)}`;
    const place = known === undefined ? phase : `: ${known}`;
    const state = cause instanceof Error ? `${place}. ${cause.message}` : place;
    super(
      "timeout",
      `Cannot complete the call of "${procedure}" as no reply arrived within ${timeoutMs} ms${state}`,
      { retryable: true, ...options },
    );
    this.procedure = procedure;
    this.timeoutMs = timeoutMs;
  }
}

/** Where the time of a call went, but for what is less than a hundredth of it. */
function whereTo({ timing }: CallReport): string {
  if (timing === undefined) return "";
  const { totalMs, ...parts } = timing;
  const told = Object.entries(parts).filter(([, ms]) => ms >= 1 && ms >= totalMs / 100);
  // That nothing is known of it tells nobody anything.
  if (told.every(([name]) => name === "unknownMs")) return "";
  return ` (${told.map(([name, ms]) => `${name.slice(0, -2)} ${Math.round(ms)} ms`).join(", ")})`;
}

/**
 * An error of the other side: what its handler threw, or why the server could not run it. Its
 * `cause` and its `errors`, where there are any, are errors of this class too.
 */
export class RpcRemoteError extends RpcError {
  /** The class's name. */
  override readonly name = "RpcRemoteError";
  /** The procedure that was called. */
  readonly procedure: string;
  /** The `name` of the error that the handler threw. */
  readonly remoteName: string;
  /** The `stack` of the handler's error, if its server sends stacks. */
  readonly remoteStack: string | undefined;
  /** The errors that the handler's error gathers, as an `AggregateError` does; mostly none. */
  readonly errors: readonly RpcRemoteError[];

  /**
   * Makes the caller's view of an error reply.
   *
   * @param procedure The procedure that was called.
   * @param description What the error reply says.
   * @param options How far the call had come.
   */
  constructor(
    procedure: string,
    description: ErrorDescription,
    options: Pick<RpcErrorOptions, "call"> = {},
  ) {
    const { code, message, details, retryable, cause, errors = [] } = description;
    super(code, message, {
      details,
      ...(retryable === undefined ? {} : { retryable }),
      ...(cause === undefined ? {} : { cause: new RpcRemoteError(procedure, cause) }),
      ...options,
    });
    this.procedure = procedure;
    this.remoteName = description.name;
    this.remoteStack = description.stack;
    this.errors = errors.map((error) => new RpcRemoteError(procedure, error));
  }
}

/** What an error reply says of an error: its body, once decoded. */
export interface ErrorDescription {
  /** The `name` of the error. */
  readonly name: string;
  /** The message, at most 2,000 characters. */
  readonly message: string;
  /** The `code` of the error, or `handler-error`. */
  readonly code: string;
  /** The `details` of the error, if it has any. */
  readonly details?: unknown;
  /** Whether the same call may succeed later; absent means that it may not. */
  readonly retryable?: boolean;
  /** The stack, only if the server was told to send it. */
  readonly stack?: string;
  /** The `cause` of the error, if it has one. Causes come without `details`. */
  readonly cause?: ErrorDescription;
  /** The errors of an `AggregateError`, or the two of a `SuppressedError`. */
  readonly errors?: readonly ErrorDescription[];
}

/**
 * Tells whether an error is one of this library's, and of a code.
 *
 * @param error What was caught.
 * @param code The code; any, if there is none.
 * @returns Whether it is an {@linkcode RpcError} of that code.
 *
 * @example A timeout
 * ```ts
 * import { assert } from "jsr:@std/assert@^1.0.0";
 * import { isRpcError, RpcTimeoutError } from "@warren/rpc";
 *
 * const error: unknown = new RpcTimeoutError("add", 100);
 * assert(isRpcError(error, "timeout") && !isRpcError(error, "closed"));
 * ```
 */
export function isRpcError<Code extends KnownErrorCode>(
  error: unknown,
  code?: Code,
): error is RpcError & { readonly code: Code } {
  return error instanceof RpcError && (code === undefined || error.code === code);
}

/** The promise of a call, whose type also knows the errors that its procedure says it throws. */
export interface RpcPromise<Output, Errors = never> extends Promise<Output> {
  /** Only a mark for the compiler; never set. */
  readonly "~errors"?: Errors;
}

/** An error that a procedure says it throws. */
export type DeclaredError<Errors> = {
  [Code in keyof Errors & string]: RpcRemoteError & {
    readonly code: Code;
    readonly details: Errors[Code];
  };
}[keyof Errors & string];

/** How a call ended: what {@linkcode safe} gives. Its `error` is told apart by its `code`. */
export type SafeResult<Output, Errors = never> =
  | { readonly ok: true; readonly output: Output }
  | {
    readonly ok: false;
    readonly error:
      | ([Errors] extends [never] ? never : DeclaredError<Errors>)
      | (RpcError & { readonly code: KnownErrorCode })
      | (Error & { readonly code?: never });
  };

/**
 * Waits for a call, and gives its error instead of throwing it.
 *
 * @typeParam Output The output.
 * @typeParam Errors The details of the errors that the procedure says it throws, by code.
 * @param call The promise of a call.
 * @returns `{ ok: true, output }` or `{ ok: false, error }`. Never rejects.
 *
 * @example An error of the procedure's own
 * ```ts ignore because it needs a client
 * const result = await safe(client.api.users.get({ id: "7" }));
 * if (result.ok) console.log(result.output.name);
 * else if (result.error.code === "NOT_FOUND") console.log(result.error.details.id);
 * ```
 */
export async function safe<Output, Errors = never>(
  call: PromiseLike<Output> & { readonly "~errors"?: Errors },
): Promise<SafeResult<Output, Errors>> {
  try {
    return { ok: true, output: await call };
  } catch (error) {
    // Whatever it is: its type says what servers of the contract promise.
    return { ok: false, error } as SafeResult<Output, Errors>;
  }
}
