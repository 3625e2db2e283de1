/** The procedures of a server, by name. @module */

import type { Codec } from "../../codec.ts";
import type { Handlers } from "../../contract.ts";
import { RpcError } from "../../errors.ts";
import { checkOneOf, checkProcedureName, describeValue } from "../check.ts";
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
    for (const [name, handler] of Object.entries(handlers ?? {})) {
      checkProcedureName("listen", name);
      this.#handlers.set(name, toEncodedHandler(name, handler, codecs));
    }
    const names = [...this.#handlers.keys()];
    if (names.length === 0) throw noHandlers(handlers);
    checkOneOf("listen", { defaultProcedure: defaultName }, names);
    this.defaultName = defaultName ?? (names.length === 1 ? names[0] : undefined);
  }

  /** The handlers of all procedures. */
  handlers(): IterableIterator<EncodedHandler> {
    return this.#handlers.values();
  }

  /** The longest that a request runs, in milliseconds; `undefined` if one may take for ever. */
  get timeLimitMs(): number | undefined {
    const limits = [...this.handlers()].map(({ timeLimitMs = Infinity }) => timeLimitMs);
    const longest = Math.max(...limits);
    return longest === Infinity ? undefined : longest;
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
  throw new TypeError(
    `Cannot listen as the handler of "${name}" must be a function: ` +
      `current value is ${describeValue(handler)}`,
  );
}

/** They may be absent, if no compiler looks; and the methods of a class are not its instances' own. */
function noHandlers(handlers: Handlers): TypeError {
  return new TypeError(
    `Cannot listen as "handlers" must have functions of its own: ` +
      `current value is ${describeValue(handlers)}`,
  );
}
