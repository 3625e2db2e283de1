/** A caller whose calls all have some options. @module */

import type {
  BatchCall,
  BatchOptions,
  CallAsyncArguments,
  Caller,
  CallOptions,
  NotifyOptions,
  StreamOptions,
} from "../../caller.ts";
import type { AnyContract } from "../../contract.ts";
import { checkOptions } from "../check.ts";
import { checkMessageHeaders } from "../message_headers.ts";
import { checkCallOptions, withInput } from "./call_options.ts";
import { clientApi } from "./client_api.ts";
import type { AnyCallback } from "./derived_caller.ts";

/** Options that all calls of a caller can have, whatever their kind. */
export type CommonOptions = Pick<CallOptions, "headers" | "signal" | "context">;

/** Knows no contract: what it hands on has been checked by the types of whoever calls. */
export class CallerWith {
  readonly #inner: Caller;
  readonly #common: CommonOptions;
  #api: object | undefined;

  /**
   * Makes a caller.
   *
   * @param inner Makes the calls.
   * @param common What each of them has, beside its own options.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If the headers take too many bytes.
   */
  constructor(inner: Caller, common: CommonOptions) {
    checkOptions("call", common);
    checkCallOptions("call", common);
    if (common.headers !== undefined) checkMessageHeaders("call", common.headers);
    this.#inner = inner;
    this.#common = common;
  }

  /** The procedures as members. */
  get api(): object {
    return this.#api ??= clientApi(this);
  }

  /** Calls a procedure and waits for its output. */
  call(procedure: string, input?: unknown, options: CallOptions = {}): Promise<unknown> {
    return this.#inner.call(procedure, input, this.#with(options));
  }

  /** Calls a procedure and reads its items. */
  stream(
    procedure: string,
    input?: unknown,
    options: StreamOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    return this.#inner.stream(procedure, input, this.#with(options));
  }

  /** Calls one procedure with many inputs. */
  map(
    procedure: string,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    options: BatchOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    return this.#inner.map(procedure, inputs, this.#with(options));
  }

  /** Calls several procedures and waits for all outputs. */
  callAll(
    calls: readonly BatchCall<AnyContract, string>[],
    options: BatchOptions = {},
  ): Promise<unknown> {
    return this.#inner.callAll(calls, this.#with(options));
  }

  /** Calls a procedure without waiting. */
  callAsync(
    procedure: string,
    ...rest: CallAsyncArguments<AnyContract, string, CallOptions>
  ): string {
    const [input, callback, options = {}] = withInput(rest);
    // A client takes names, too.
    return this.#inner.callAsync(procedure, input, callback as AnyCallback, this.#with(options));
  }

  /** Sends a request that wants no reply. */
  notify(procedure: string, input?: unknown, options: NotifyOptions = {}): Promise<void> {
    return this.#inner.notify(procedure, input, this.#with(options));
  }

  /** The options of one call; of two signals, either ends it. What is wrong is found by the call. */
  #with<Options extends CommonOptions>(options: Options): Options & CommonOptions {
    if (typeof options !== "object" || options === null) return options;
    const { headers, signal, context } = this.#common;
    const own = options.signal;
    const both = signal !== undefined && own instanceof AbortSignal;
    return {
      ...options,
      ...(headers !== undefined && { headers: { ...headers, ...options.headers } }),
      ...(signal !== undefined &&
        { signal: both ? AbortSignal.any([signal, own]) : own ?? signal }),
      ...(context !== undefined && { context: options.context ?? context }),
    };
  }
}
