/** All that a caller offers, made of single calls. @module */

import type {
  BatchOptions,
  CallAsyncArguments,
  CallCallback,
  CallOptions,
  NotifyOptions,
  StreamOptions,
} from "../../caller.ts";
import type { AnyContract } from "../../contract.ts";
import { wrongValue } from "../check.ts";
import { Batch, callInOrder, inOrder } from "./batch.ts";
import { withInput } from "./call_options.ts";
import { clientApi } from "./client_api.ts";

/** Takes whatever becomes of a call. */
export type AnyCallback = CallCallback<unknown>;

/**
 * A caller of procedures that says how one call is made; the other methods make more of them. It knows
 * no contract: whoever hands it to a user gives it the type `Caller<C>`.
 */
export abstract class DerivedCaller {
  readonly #timeoutMs: number;
  #api: object | undefined;

  /**
   * Makes a caller.
   *
   * @param timeoutMs The time of a call that does not say so itself, in milliseconds.
   */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Calls a procedure and waits for its output. */
  abstract call(procedure: string, input?: unknown, options?: CallOptions): Promise<unknown>;

  /** Calls a procedure and reads its items. */
  abstract stream(
    procedure: string,
    input?: unknown,
    options?: StreamOptions,
  ): AsyncGenerator<unknown, void, undefined>;

  /** Sends a request that wants no reply. */
  abstract notify(procedure: string, input?: unknown, options?: NotifyOptions): Promise<void>;

  /** The procedures as members. */
  get api(): object {
    return this.#api ??= clientApi(this);
  }

  /** Calls one procedure with many inputs. */
  map(
    procedure: string,
    inputs: Iterable<unknown> | AsyncIterable<unknown>,
    options: BatchOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    return inOrder(inputs, () => {
      const batch = new Batch(options, this.#timeoutMs);
      return {
        concurrency: batch.concurrency,
        start: (input) => batch.run((options) => this.call(procedure, input, options)),
        check: () => batch.throwIfAborted(),
        onLeft: () => batch[Symbol.dispose](),
      };
    });
  }

  /** Calls several procedures and waits for all outputs. */
  callAll(
    calls: readonly (readonly [procedure: string, ...input: unknown[]])[],
    options: BatchOptions = {},
  ): Promise<unknown[]> {
    return callInOrder(calls, options, {
      timeoutMs: this.#timeoutMs,
      call: (procedure, input, options) => this.call(procedure, input, options),
    });
  }

  /** Calls a procedure without waiting. */
  callAsync(
    procedure: string,
    ...rest: CallAsyncArguments<AnyContract, string, CallOptions>
  ): string {
    const [input, callback, options = {}] = withInput(rest);
    if (typeof callback !== "function") {
      throw new TypeError(wrongValue("call", ["callback", callback], "a function"));
    }
    // What a callback throws is nobody's: it ends the program, as in an event listener.
    void this.call(procedure, input, options).then(
      (output) => callback({ ok: true, output }),
      (error) => callback({ ok: false, error }),
    );
    return crypto.randomUUID();
  }
}
