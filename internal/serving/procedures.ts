/** The procedures of a server, by name. @module */

import type { Codec } from "../../codec.ts";
import { RpcError } from "../../errors.ts";
import { checkOneOf, checkProcedureName, describeValue } from "../check.ts";
import { readProcedureNotes } from "../procedure_notes.ts";
import type { EncodedHandler } from "../running/encoded_handler.ts";
import { membersOf } from "../running/members.ts";
import { toEncodedHandler } from "./inline_handler.ts";

/** What becomes of the handlers of a server. */
export interface ProceduresOptions {
  /** Codecs beside JSON, for handlers that are functions. */
  readonly codecs?: readonly Codec[] | undefined;
  /** The names of those that are served; absent means all. */
  readonly only?: readonly string[] | undefined;
}

/** Finds the handler of a procedure. Names come from strangers, hence a `Map`. */
export class Procedures {
  readonly #handlers = new Map<string, EncodedHandler>();
  readonly #metas = new Map<string, Readonly<Record<string, unknown>>>();
  /** What a request without a name means, if anything. */
  readonly defaultName: string | undefined;

  /**
   * Takes the handlers over.
   *
   * @param handlers Functions, or a pool's handlers, by procedure name, in objects or not.
   * @param defaultName What a request without a name means; by default the only procedure, if
   * there is but one.
   * @param options Which procedures, and codecs for handlers that are functions.
   * @throws {TypeError} If there is no handler, one is not a handler, the default is none, or a
   * procedure that is to be served is missing.
   */
  constructor(
    handlers: object,
    defaultName: string | undefined,
    { codecs = [], only }: ProceduresOptions = {},
  ) {
    const members = Object(handlers) === handlers ? membersOf(handlers) : [];
    for (const { name, value } of members) {
      if (only !== undefined && !only.includes(name)) continue;
      checkProcedureName("listen", name);
      this.#handlers.set(name, toEncodedHandler(name, value, { action: "listen", codecs }));
      const { meta } = readProcedureNotes(value);
      if (meta !== undefined) this.#metas.set(name, meta);
    }
    const names = [...this.#handlers.keys()];
    checkAreThere(only, names);
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

  /** Whether it is there, by the name in a request, if it has one. */
  has(requested: string | undefined): boolean {
    const name = requested ?? this.defaultName;
    return name !== undefined && this.#handlers.has(name);
  }

  /** Finds the handler of a procedure by its own name, if it is there. */
  get(name: string): EncodedHandler | undefined {
    return this.#handlers.get(name);
  }

  /** What else is to be known of it, if anything, by the name in a request, if it has one. */
  metaOf(requested: string | undefined): Readonly<Record<string, unknown>> | undefined {
    const name = requested ?? this.defaultName;
    return name === undefined ? undefined : this.#metas.get(name);
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

function checkAreThere(only: readonly string[] = [], names: readonly string[]): void {
  const missing = only.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw new TypeError(
    `Cannot listen as "procedures" names what "handlers" has not: ${describeValue(missing)}`,
  );
}

/** They may be absent, if no compiler looks. */
function noHandlers(handlers: unknown): TypeError {
  return new TypeError(
    `Cannot listen as "handlers" must have functions: ` +
      `current value is ${describeValue(handlers)}`,
  );
}
