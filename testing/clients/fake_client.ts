/** Doubles of clients, for tests of what calls. @module */

import type { Caller } from "../../caller.ts";
import type { Codec } from "../../codec.ts";
import type { AnyFunction, Contract, HandlerOf, Primitive, WithMsgpack } from "../../contract.ts";
import { clientOf, type LocalClientOptions } from "./local_client.ts";

/** Handlers of some procedures of a contract. */
export type FakeHandlers<C extends Contract> = {
  readonly [Name in keyof C as C[Name] extends Primitive ? never : Name]?: FakeHandler<
    NonNullable<C[Name]>
  >;
};

/** What answers for a member of a contract: a handler, or an object with some. */
export type FakeHandler<Member> = Member extends AnyFunction ? HandlerOf<Member>
  : Member extends object ? FakeHandlers<Member>
  : never;

/**
 * Makes a double of a client, for tests of code that calls: the handlers that the test needs, each
 * typed where it stands, answer by way of the same encoding and the same errors as a server's. A call of
 * another procedure rejects with `unknown-procedure`.
 *
 * @typeParam C The contract of the client.
 * @param handlers What answers.
 * @param options Codecs and times.
 * @returns What takes the client's place where a {@linkcode Caller} is wanted.
 * @throws {TypeError} If a handler or an option is of the wrong kind.
 *
 * @example A test of code that calls
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 * import { type Caller, fakeClient } from "@warren/rpc/testing";
 *
 * interface Sums {
 *   add(input: { a: number; b: number }): number;
 *   forget(): void;
 * }
 * function double(sums: Caller<Sums>, n: number): Promise<number> {
 *   return sums.call("add", { a: n, b: n });
 * }
 * assertEquals(await double(fakeClient<Sums>({ add: ({ a, b }) => a + b }), 4), 8);
 * ```
 */
export function fakeClient<C extends Contract>(
  handlers: FakeHandlers<C>,
  options: LocalClientOptions & { readonly codecs: readonly Codec[] },
): Caller<C & WithMsgpack>;
/** Makes a double of a client; inputs travel as JSON. */
export function fakeClient<C extends Contract>(
  handlers: FakeHandlers<C>,
  options?: LocalClientOptions,
): Caller<C>;
export function fakeClient<C extends Contract>(
  handlers: FakeHandlers<C>,
  options: LocalClientOptions = {},
): Caller<C> {
  return clientOf<C>(handlers, options);
}
