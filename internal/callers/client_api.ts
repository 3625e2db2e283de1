/** The procedures of a contract as the members of an object. @module */

import type { CallOptions, StreamOptions } from "../../caller.ts";
import { RpcError } from "../../errors.ts";

/** What makes the calls. */
export interface ApiCaller {
  /** Calls a procedure that gives one output. */
  call(procedure: string, input?: unknown, options?: CallOptions): Promise<unknown>;
  /** Calls a procedure that streams. */
  stream(
    procedure: string,
    input?: unknown,
    options?: StreamOptions,
  ): AsyncGenerator<unknown, void, undefined>;
}

/** The arguments of a call after the procedure's name. */
export type ApiArguments = [input?: unknown, options?: CallOptions];

/**
 * Makes an object whose members are procedures: `api.users.get(input, options)` calls `users.get`.
 *
 * @param caller What makes the calls.
 * @returns The object. It has any member but `then`, as a value that is awaited must not have it, and
 * `toJSON`: whoever writes it into a log calls nobody.
 */
export function clientApi(caller: ApiCaller): object {
  return member(caller, "");
}

/**
 * Calls a procedure of which nobody knows whether it streams.
 *
 * @param caller What makes the call.
 * @param name The procedure.
 * @param args Its input, and the options of the call.
 * @returns A promise of its output, which is a generator of its items as well: whichever is used.
 */
export function callOrStream(caller: ApiCaller, name: string, args: ApiArguments): object {
  return new ApiCall(caller, name, args);
}

/** What the language asks of any value. */
const ABSENT: ReadonlySet<string> = new Set(["then", "toJSON"]);

function member(caller: ApiCaller, name: string): object {
  const inner = new Map<string, object>();
  return new Proxy(() => {}, {
    get(_target, key) {
      if (key === Symbol.toPrimitive) return () => name === "" ? "api" : `api.${name}`;
      if (typeof key !== "string" || ABSENT.has(key)) return undefined;
      const known = inner.get(key);
      if (known !== undefined) return known;
      const made = member(caller, name === "" ? key : `${name}.${key}`);
      inner.set(key, made);
      return made;
    },
    apply: (_target, _this, args: ApiArguments) => new ApiCall(caller, name, args),
  });
}

/**
 * A call whose kind nobody knows at run time: it is one output unless somebody iterates it. What is
 * not awaited is called all the same, once the statement that made it is over.
 */
class ApiCall implements Promise<unknown>, AsyncGenerator<unknown, void, undefined> {
  readonly [Symbol.toStringTag] = "Promise";
  readonly #caller: ApiCaller;
  readonly #procedure: string;
  readonly #arguments: ApiArguments;
  #output: Promise<unknown> | undefined;
  #items: AsyncGenerator<unknown, void, undefined> | undefined;
  #isAwaited = false;

  constructor(caller: ApiCaller, procedure: string, args: ApiArguments) {
    this.#caller = caller;
    this.#procedure = procedure;
    this.#arguments = args;
    queueMicrotask(() => this.#startUnlessIterated());
  }

  then<Fulfilled = unknown, Rejected = never>(
    onFulfilled?: ((output: unknown) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((error: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    this.#isAwaited = true;
    return this.#start().then(onFulfilled, onRejected);
  }

  catch<Rejected = never>(
    onRejected?: ((error: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<unknown> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<unknown> {
    this.#isAwaited = true;
    return this.#start().finally(onFinally);
  }

  next(): Promise<IteratorResult<unknown, void>> {
    return this.#open().next();
  }

  return(): Promise<IteratorResult<unknown, void>> {
    return this.#open().return();
  }

  throw(error: unknown): Promise<IteratorResult<unknown, void>> {
    return this.#open().throw(error);
  }

  [Symbol.asyncIterator](): this {
    this.#open();
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#items?.return();
  }

  #start(): Promise<unknown> {
    return this.#output ??= this.#caller.call(this.#procedure, ...this.#arguments);
  }

  #open(): AsyncGenerator<unknown, void, undefined> {
    return this.#items ??= this.#caller.stream(this.#procedure, ...this.#arguments);
  }

  #startUnlessIterated(): void {
    if (this.#items !== undefined || this.#output !== undefined) return;
    void this.#start().catch((error: unknown) => {
      // A stream that is kept for later was taken for a call.
      const isStream = error instanceof RpcError && error.code === "unwanted-stream";
      if (!isStream && !this.#isAwaited) throw error;
    });
  }
}
