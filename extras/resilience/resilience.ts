/**
 * Retries, circuit breakers and bulkheads around anything that calls procedures: a client, a double
 * of one in a test, or a client that is already wrapped.
 *
 * Nothing of this happens unless it is asked for. `docs/resilience.md` says when to ask.
 *
 * @module
 */

import type {
  CallAsyncArguments,
  Caller,
  CallOptions,
  NotifyOptions,
  StreamOptions,
} from "../../caller.ts";
import type { AnyContract } from "../../contract.ts";
import { newId as newIdempotencyKey } from "../../internal/text.ts";
import { checkInteger, checkOptions, checkType } from "../../internal/check.ts";
import { withInput } from "../../internal/callers/call_options.ts";
import { DerivedCaller } from "../../internal/callers/derived_caller.ts";
import { safeObserver } from "../../internal/observer.ts";
import { MAX_TIMEOUT_MS } from "../../internal/time.ts";
import {
  Breaker,
  type BreakerEvent,
  type BreakerOptions,
  resolveBreakerOptions,
} from "./breaker.ts";
import {
  Bulkhead,
  type BulkheadEvent,
  type BulkheadOptions,
  resolveBulkheadOptions,
} from "./bulkhead.ts";
import { Retrier, type RetryEvent, type RetryOptions, timeLeftMs } from "./retry.ts";

export type { CallOptions } from "../../caller.ts";
export type {
  AnyContract,
  CallArguments,
  CallContext,
  Contract,
  InputOf,
  OutputOf,
  PlainNames,
} from "../../contract.ts";
export type { CallPhase, CallReport, RpcError, RpcErrorCode } from "../../errors.ts";
export type { BreakerEvent, BreakerOptions, CircuitOpenDetails } from "./breaker.ts";
export type { BulkheadEvent, BulkheadOptions } from "./bulkhead.ts";
export type { RetryEvent, RetryOptions } from "./retry.ts";

/** The time of a call unless told otherwise, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 30_000;

const ACTION = "put policies around a caller";

/** What {@linkcode withResilience} tells its `onEvent` observer. */
export type ResilienceEvent = RetryEvent | BreakerEvent | BulkheadEvent;

/** Options of {@linkcode withResilience}. Each policy is off unless it is given, if only as `{}`. */
export interface ResilienceOptions {
  /**
   * Time that a call has, with all its attempts, when it does not say so itself, in milliseconds,
   * from 1 to 2147483647.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Tries failed calls again.
   *
   * @default {undefined}
   */
  readonly retry?: RetryOptions | undefined;
  /**
   * Stops calling a procedure that keeps failing. Each procedure has a circuit of its own.
   *
   * @default {undefined}
   */
  readonly breaker?: BreakerOptions | undefined;
  /**
   * Bounds the calls that are under way at a time, for each procedure by itself.
   *
   * @default {undefined}
   */
  readonly bulkhead?: BulkheadOptions | undefined;
  /** Observes what the policies do. What it throws is dropped. */
  readonly onEvent?: ((event: ResilienceEvent) => void) | undefined;
}

/**
 * Puts policies around a caller. From the outside in: the bulkhead, which a call passes once; the
 * retries; and the breaker, which sees each attempt.
 *
 * - There is one deadline over everything; each attempt is given what is left.
 * - An abort ends a call at once, in whatever it waits for.
 * - All attempts at a call have the same idempotency key.
 * - A call rejects with what its last attempt rejected with.
 * - Nothing is left running: there is nothing to close.
 *
 * | code | tried again | with `idempotent: false` | counts against the circuit |
 * | --- | --- | --- | --- |
 * | `expired`, `queue-full`, `no-capacity`, `overloaded`, `unreachable`, `unroutable` | yes | yes | yes |
 * | `disconnected`, `timeout`, `worker-crashed` | yes | no | yes |
 * | `delivery-limit`, `rejected` | no | no | yes |
 * | any other, in an error reply | if it is `retryable` | if it is `retryable` | no |
 * | any other, of this side (`unencodable`, `closed`, …) | no | no | no |
 *
 * An error reply that is not `retryable` is never tried again, whatever its code. Neither is an
 * abort, nor a `TypeError` or `RangeError` for misuse, nor what the policies themselves refuse.
 *
 * What of the caller's methods makes calls, `map()` and `callAll()` as well, makes them so. A stream
 * passes the bulkhead and the breaker, and is not tried again. A notification is tried again as a call
 * is: then it may run more than once, as it has no key.
 *
 * @typeParam Inner A client, or anything with some of the methods of a {@linkcode Caller}.
 * @param caller What makes the attempts, such as a client.
 * @param options The policies.
 * @returns A caller with the same procedures and the same ones of these methods. Its calls also reject with `circuit-open`, which has
 * {@linkcode CircuitOpenDetails}, and with `overloaded`.
 * @throws {RangeError} If a number is out of its bounds.
 *
 * @example Three attempts
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { RpcError } from "@warren/rpc";
 * import { withResilience } from "@warren/rpc/resilience";
 *
 * let attempts = 0;
 * const flaky = {
 *   call(_procedure: string, _input?: unknown) {
 *     if (++attempts === 3) return Promise.resolve("done");
 *     return Promise.reject(new RpcError("overloaded", "Cannot call as the queue is full"));
 *   },
 * };
 * const steady = withResilience(flaky, { retry: { maxAttempts: 3, firstDelayMs: 1 } });
 * assertEquals(await steady.call("work", 30), "done");
 * ```
 */
export function withResilience<
  Inner extends { call(procedure: never, ...rest: never): Promise<unknown> },
>(caller: Inner, options: ResilienceOptions): Pick<Inner, keyof Inner & keyof Caller> {
  // It knows no contract: what it hands on has been checked by the types of the caller's methods,
  // and its own are no more than the caller has.
  const resilient: unknown = new ResilientCaller(caller as unknown as Caller, options);
  return resilient as Pick<Inner, keyof Inner & keyof Caller>;
}

class ResilientCaller extends DerivedCaller {
  readonly #caller: Caller;
  readonly #timeoutMs: number;
  readonly #retrier: Retrier | undefined;
  readonly #breakers: PerProcedure<Breaker> | undefined;
  readonly #bulkheads: PerProcedure<Bulkhead> | undefined;

  constructor(caller: Caller, options: ResilienceOptions) {
    super(options?.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    checkType(ACTION, { caller }, "object");
    checkType(ACTION, { "caller.call": caller.call ?? null }, "function");
    checkOptions(ACTION, options);
    const { timeoutMs = DEFAULT_TIMEOUT_MS, retry, breaker, bulkhead, onEvent } = options;
    checkType(ACTION, { retry, breaker, bulkhead }, "object");
    checkType(ACTION, { onEvent }, "function");
    const emit = safeObserver(onEvent);
    checkTimeout(timeoutMs);
    this.#caller = caller;
    this.#timeoutMs = timeoutMs;
    if (retry !== undefined) this.#retrier = new Retrier(retry, emit);
    if (breaker !== undefined) {
      const resolved = resolveBreakerOptions(breaker);
      this.#breakers = new PerProcedure((name) => new Breaker(name, resolved, emit));
    }
    if (bulkhead !== undefined) {
      const resolved = resolveBulkheadOptions(bulkhead);
      this.#bulkheads = new PerProcedure((name) => new Bulkhead(name, resolved, emit));
    }
  }

  call(procedure: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    return this.#pass({ procedure, options, timeoutMs: options.timeoutMs }, (call, timeoutMs) => {
      return this.#caller.call(procedure, input, { ...call.options, timeoutMs });
    });
  }

  async notify(procedure: string, input?: unknown, options: NotifyOptions = {}): Promise<void> {
    await this.#pass({ procedure, options, timeoutMs: options.timeoutMs }, (_call, timeoutMs) => {
      return this.#caller.notify(procedure, input, { ...options, timeoutMs });
    });
  }

  /** Nobody can tell which of its items are the same, so that it is not tried again. */
  async *stream(
    procedure: string,
    input?: unknown,
    options: StreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const bulkhead = this.#bulkheads?.of(procedure);
    const breaker = this.#breakers?.of(procedure);
    const signal = signalOf(options);
    const { timeoutMs = this.#timeoutMs } = options;
    checkOptions("stream", options);
    checkTimeout(timeoutMs);
    signal?.throwIfAborted();
    breaker?.check();
    await bulkhead?.enter({ timeoutMs, signal });
    const ended = Promise.withResolvers<void>();
    try {
      breaker?.check();
      const watched = breaker?.run(() => ended.promise, signal) ?? ended.promise;
      // It is told of the end; what ends the stream goes to its reader.
      void watched.catch(() => {});
      yield* this.#caller.stream(procedure, input, options);
    } catch (error) {
      ended.reject(error);
      throw error;
    } finally {
      ended.resolve();
      bulkhead?.leave();
    }
  }

  /** A callback by name outlives this program, and no policy does: it passes none. */
  override callAsync(
    procedure: string,
    ...rest: CallAsyncArguments<AnyContract, string, CallOptions>
  ): string {
    const isNamed = typeof withInput(rest)[1] === "string";
    return isNamed
      ? this.#caller.callAsync(procedure, ...rest)
      : super.callAsync(procedure, ...rest);
  }

  async #pass<Output>(
    { procedure, options, timeoutMs = this.#timeoutMs }: PassedCall,
    attempt: Attempt<Output>,
  ): Promise<Output> {
    checkOptions("call", options);
    checkTimeout(timeoutMs);
    const signal = signalOf(options);
    signal?.throwIfAborted();
    const deadline = Math.min(Date.now() + timeoutMs, options.context?.deadline ?? Infinity);
    // A call that would fail at once is not to wait for a place first.
    this.#breakers?.of(procedure).check();
    const bulkhead = this.#bulkheads?.of(procedure);
    await bulkhead?.enter({ timeoutMs: timeLeftMs({ deadline }), signal });
    try {
      return await this.#run({ procedure, options, signal, deadline }, attempt);
    } finally {
      bulkhead?.leave();
    }
  }

  #run<Output>(call: ResilientCall, attempt: Attempt<Output>): Promise<Output> {
    const { procedure, options, signal, deadline } = call;
    if (this.#retrier === undefined) return this.#attempt(call, attempt, timeLeftMs(call));
    const { idempotent: isIdempotent = true, idempotencyKey = newIdempotencyKey() } = options;
    const keyed = { ...call, options: { ...options, idempotencyKey } };
    return this.#retrier.run(
      { procedure, signal, deadline, isIdempotent },
      (timeoutMs) => this.#attempt(keyed, attempt, timeoutMs),
    );
  }

  #attempt<Output>(
    call: ResilientCall,
    attempt: Attempt<Output>,
    timeoutMs: number,
  ): Promise<Output> {
    const breaker = this.#breakers?.of(call.procedure);
    const make = () => attempt(call, timeoutMs);
    return breaker === undefined ? make() : breaker.run(make, call.signal);
  }
}

/** Makes one attempt, which has so many milliseconds. */
type Attempt<Output> = (call: ResilientCall, timeoutMs: number) => Promise<Output>;

/** A call before it passes the policies. */
interface PassedCall extends Pick<ResilientCall, "procedure" | "options"> {
  readonly timeoutMs: number | undefined;
}

/** A call on its way through the policies. */
interface ResilientCall {
  readonly procedure: string;
  readonly options: CallOptions;
  /** Aborts if either of the two signals in the options does. */
  readonly signal: AbortSignal | undefined;
  /** Unix milliseconds. */
  readonly deadline: number;
}

/** State that each procedure has for itself, made when it is first called. */
class PerProcedure<State> {
  readonly #states = new Map<string, State>();
  readonly #make: (procedure: string) => State;

  constructor(make: (procedure: string) => State) {
    this.#make = make;
  }

  of(procedure: string): State {
    const known = this.#states.get(procedure);
    if (known !== undefined) return known;
    const state = this.#make(procedure);
    this.#states.set(procedure, state);
    return state;
  }
}

function checkTimeout(timeoutMs: number): void {
  checkInteger("call", { timeoutMs }, { min: 1, max: MAX_TIMEOUT_MS });
}

function signalOf({ signal, context }: CallOptions): AbortSignal | undefined {
  if (signal === undefined || context === undefined) return signal ?? context?.signal;
  return AbortSignal.any([signal, context.signal]);
}
