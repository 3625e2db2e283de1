/** The procedures of a server, by name. @module */

import type { Codec } from "../../codec.ts";
import type { Handlers } from "../../contract.ts";
import { RpcError } from "../../errors.ts";
import { checkProcedureName } from "../check.ts";
import { type EncodedHandler, openHandler } from "../running/encoded_handler.ts";
import type { RunnableHandler } from "../running/run_handler.ts";
import { inlineHandler } from "./inline_handler.ts";

/** Finds the handler of a procedure. Names come from strangers, hence a `Map`. */
export class Procedures {
  readonly #handlers = new Map<string, EncodedHandler>();
  /** What a request without a name means, if anything. */
  readonly defaultName: string | undefined;

  /**
   * Takes the handlers over.
   *
   * @param handlers Functions, or a pool's handlers, by procedure name.
   * @param defaultName What a request without a name means; by default the only procedure, if
   * there is but one.
   * @param codecs Codecs beside JSON, for handlers that are functions.
   * @throws {TypeError} If there is no handler, one is not a handler, or the default is none.
   */
  constructor(
    handlers: Handlers,
    defaultName: string | undefined,
    codecs: readonly Codec[] = [],
  ) {
    for (const [name, handler] of Object.entries(handlers)) {
      checkProcedureName("listen", name);
      this.#handlers.set(name, toEncodedHandler(name, handler, codecs));
    }
    const [onlyName, ...others] = this.#handlers.keys();
    if (onlyName === undefined) throw new TypeError('Cannot listen as "handlers" is empty');
    this.defaultName = defaultName ?? (others.length === 0 ? onlyName : undefined);
    if (this.defaultName !== undefined && !this.#handlers.has(this.defaultName)) {
      throw new TypeError(
        `Cannot listen as "defaultProcedure" is not among the handlers: it is "${defaultName}"`,
      );
    }
  }

  /** The handlers of all procedures. */
  handlers(): IterableIterator<EncodedHandler> {
    return this.#handlers.values();
  }

  /**
   * Finds a procedure.
   *
   * @param requested The name in the request, if it has one.
   * @throws {RpcError} `unknown-procedure`.
   */
  find(requested: string | undefined): { readonly name: string; readonly handler: EncodedHandler } {
    const name = requested ?? this.defaultName;
    const handler = name === undefined ? undefined : this.#handlers.get(name);
    if (name !== undefined && handler !== undefined) return { name, handler };
    throw new RpcError(
      "unknown-procedure",
      name === undefined
        ? "Cannot run a request without a procedure name as the server has no default procedure"
        : `Cannot run "${name.slice(0, 80)}" as the server has no such procedure`,
    );
  }
}

function toEncodedHandler(
  name: string,
  handler: unknown,
  codecs: readonly Codec[],
): EncodedHandler {
  // A handler's input type is a promise of its contract: whoever calls must keep it.
  if (typeof handler === "function") return inlineHandler(handler as RunnableHandler, codecs);
  const inside = openHandler(handler);
  if (inside !== undefined) return inside;
  throw new TypeError(`Cannot listen as the handler of "${name}" is not a function`);
}
