/**
 * Retries, circuit breakers and bulkheads around anything that calls procedures: a client, a double
 * of one in a test, or a client that is already wrapped.
 *
 * Nothing of this happens unless it is asked for. `docs/resilience.md` says when to ask.
 *
 * @module
 */

import type { CallOptions } from "../../options/client_options.ts";
import type {
  AnyContract,
  CallArguments,
  Contract,
  InputOf,
  OutputOf,
  PlainNames,
} from "../../contract.ts";
import { generate as newIdempotencyKey } from "../../deps/std_uuid.ts";
import { checkInteger, checkOptions, checkType } from "../../internal/check.ts";
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

export type { CallOptions } from "../../options/client_options.ts";
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

/**
 * What calls procedures: a client, or what {@linkcode withResilience} makes of it.
 *
 * @typeParam C The contract.
 */
export interface ProcedureCaller<C extends Contract = AnyContract> {
  /**
   * Calls a procedure and waits for its output.
   *
   * @typeParam Name The procedure.
   * @param procedure The procedure's name.
   * @param rest The input, and the options of the call.
   * @returns The output.
   */
  call<Name extends PlainNames<C> & string>(
    procedure: Name,
    ...rest: CallArguments<InputOf<C, Name>, CallOptions>
  ): Promise<OutputOf<C, Name>>;
}

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
 * @typeParam Caller A client, or anything with its `call()`.
 * @param caller What makes the attempts, such as a client.
 * @param options The policies.
 * @returns A caller with the same procedures. Its calls also reject with `circuit-open`, which has
 * {@linkcode CircuitOpenDetails}, and with `overloaded`.
 * @throws {RangeError} If a number is out of its bounds.
 *
 * @example Three attempts
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { RpcError } from "@warren/rpc";
 * import { type ProcedureCaller, withResilience } from "@warren/rpc/resilience";
 *
 * let attempts = 0;
 * const flaky: ProcedureCaller = {
 *   call() {
 *     if (++attempts === 3) return Promise.resolve("done");
 *     return Promise.reject(new RpcError("overloaded", "Cannot call as the queue is full"));
 *   },
 * };
 * const steady = withResilience(flaky, { retry: { maxAttempts: 3, firstDelayMs: 1 } });
 * assertEquals(await steady.call("work", 30), "done");
 * ```
 */
export function withResilience<
  Caller extends { call(procedure: never, ...rest: never): Promise<unknown> },
>(caller: Caller, options: ResilienceOptions): Pick<Caller, "call">;
export function withResilience(
  caller: ProcedureCaller,
  options: ResilienceOptions,
): ProcedureCaller {
  return new ResilientCaller(caller, options);
}

/** Knows no contract: what it hands on has been checked by the types of the caller's `call()`. */
class ResilientCaller implements ProcedureCaller {
  readonly #caller: ProcedureCaller;
  readonly #timeoutMs: number;
  readonly #retrier: Retrier | undefined;
  readonly #breakers: PerProcedure<Breaker> | undefined;
  readonly #bulkheads: PerProcedure<Bulkhead> | undefined;

  constructor(caller: ProcedureCaller, options: ResilienceOptions) {
    checkType(ACTION, { caller }, "object");
    checkType(ACTION, { "caller.call": caller.call ?? null }, "function");
    checkOptions(ACTION, options);
    const { timeoutMs = 30_000, retry, breaker, bulkhead, onEvent } = options;
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

  async call(procedure: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    const { timeoutMs = this.#timeoutMs } = options;
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
      return await this.#run({ procedure, input, options, signal, deadline });
    } finally {
      bulkhead?.leave();
    }
  }

  #run(call: ResilientCall): Promise<unknown> {
    const { procedure, options, signal, deadline } = call;
    if (this.#retrier === undefined) return this.#attempt(call, options, timeLeftMs(call));
    const { idempotent: isIdempotent = true, idempotencyKey = newIdempotencyKey() } = options;
    return this.#retrier.run(
      { procedure, signal, deadline, isIdempotent },
      (timeoutMs) => this.#attempt(call, { ...options, idempotencyKey }, timeoutMs),
    );
  }

  #attempt(
    { procedure, input, signal }: ResilientCall,
    options: CallOptions,
    timeoutMs: number,
  ): Promise<unknown> {
    const attempt = () => this.#caller.call(procedure, input, { ...options, timeoutMs });
    const breaker = this.#breakers?.of(procedure);
    return breaker === undefined ? attempt() : breaker.run(attempt, signal);
  }
}

/** A call on its way through the policies. */
interface ResilientCall {
  readonly procedure: string;
  readonly input: unknown;
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
