/** Clients of handlers in their own process: no broker, and no time on the way. @module */

import type { Caller } from "../../caller.ts";
import type { Codec } from "../../codec.ts";
import type { AnyHandlers, Contract, Servable, WithMsgpack } from "../../contract.ts";
import {
  checkCodecs,
  checkInteger,
  checkOptions,
  checkProcedureName,
  checkType,
} from "../../internal/check.ts";
import { LocalCaller } from "../../internal/running/local_caller.ts";
import { membersOf } from "../../internal/running/members.ts";
import { toEncodedHandler } from "../../internal/serving/inline_handler.ts";
import { MAX_TIMEOUT_MS } from "../../internal/time.ts";

/** Options of {@linkcode localClient} and {@linkcode fakeClient}. */
export interface LocalClientOptions {
  /**
   * Codecs beside JSON, as server and client would have them. The first one encodes inputs.
   *
   * @default {[]}
   */
  readonly codecs?: readonly Codec[] | undefined;
  /**
   * Time that a call has when it does not say so itself, in milliseconds, from 1 to 2147483647.
   *
   * @default {30_000}
   */
  readonly timeoutMs?: number | undefined;
}

const ACTION = "make a local client";

/**
 * Makes a client of handlers, for tests: what is called runs here, and what passes is encoded, checked,
 * decoded and refused as it would be over the wire. A `bigint` arrives as a number, a `Date` does not
 * travel, an error is an `RpcRemoteError` without a stack, an abort reaches the handler's signal.
 *
 * What a broker and a server add is not here: no redeliveries, no idempotency keys, no interceptors,
 * no batches, and no limit of a body's size. A notification resolves once its handler is about to run.
 *
 * @typeParam H The handlers.
 * @param handlers What a server would be given: functions, procedures, or a pool's handlers.
 * @param options Codecs and times.
 * @returns The client. Nothing is to be closed.
 * @throws {TypeError} If a handler or an option is of the wrong kind.
 * @throws {RangeError} If a number is out of its bounds.
 *
 * @example A test of handlers
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { localClient } from "@warren/rpc/testing";
 *
 * const client = localClient({
 *   users: { get: (id: string) => ({ id, joined: undefined }) },
 *   *countTo(n: number) {
 *     for (let i = 1; i <= n; i++) yield i;
 *   },
 * });
 * assertEquals(await client.api.users.get("1"), { id: "1" } as unknown);
 * assertEquals(await Array.fromAsync(client.api.countTo(3)), [1, 2, 3]);
 * ```
 */
export function localClient<H extends object = AnyHandlers>(
  handlers: H & Servable<H>,
  options: LocalClientOptions & { readonly codecs: readonly Codec[] },
): Caller<H & WithMsgpack>;
/** Makes a client of handlers; inputs travel as JSON. */
export function localClient<H extends object = AnyHandlers>(
  handlers: H & Servable<H>,
  options?: LocalClientOptions,
): Caller<H>;
export function localClient(handlers: object, options: LocalClientOptions = {}): unknown {
  return clientOf(handlers, options);
}

/**
 * Makes a client of whatever handlers there are.
 *
 * @throws {TypeError} If a handler or an option is of the wrong kind.
 * @throws {RangeError} If a number is out of its bounds.
 */
export function clientOf<C extends Contract>(
  handlers: object,
  options: LocalClientOptions,
): Caller<C> {
  checkOptions(ACTION, options);
  checkType(ACTION, { handlers: handlers ?? null }, "object");
  const { codecs = [], timeoutMs = 30_000 } = options;
  checkCodecs(ACTION, codecs);
  checkInteger(ACTION, { timeoutMs }, { min: 1, max: MAX_TIMEOUT_MS });
  const encoded = new Map(
    membersOf(handlers).map(({ name, value }) => {
      checkProcedureName(ACTION, name);
      return [name, toEncodedHandler(name, value, { action: ACTION, codecs })];
    }),
  );
  const caller: unknown = new LocalCaller({ handlers: encoded, codecs, timeoutMs, place: "local" });
  // It knows no contract: what its handlers take and give is up to their types.
  return caller as Caller<C>;
}
