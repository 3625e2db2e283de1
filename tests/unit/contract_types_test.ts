import type { Handlers, InputOf, OutputOf, PoolHandler, RpcClient } from "../../mod.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import type { PoolHandlers } from "../../workers/mod.ts";

const procedures = {
  add: ({ a, b }: { a: number; b: number }): number => a + b,
  greet: (name?: string): Promise<string> => Promise.resolve(`Hello, ${name}`),
  now: (): string => "today",
};
type MathContract = typeof procedures;

/** Only compiles if both types are the same. */
function same<A, B>(_proof: [A] extends [B] ? [B] extends [A] ? true : false : false): void {}

/** Compiled and never called: the compiler is the test. */
export async function typedCalls(
  client: RpcClient<MathContract>,
  untyped: RpcClient,
): Promise<void> {
  const sum = await client.call("add", { a: 1, b: 2 });
  same<typeof sum, number>(true);
  same<Awaited<ReturnType<typeof untyped.call>>, unknown>(true);
  await client.call("greet");
  await client.call("greet", undefined, { timeoutMs: 5 });
  await client.call("now");
  // @ts-expect-error There is no such procedure.
  await client.call("substract", { a: 1, b: 2 });
  // @ts-expect-error The input lacks a member.
  await client.call("add", { a: 1 });
  // @ts-expect-error The input is missing.
  await client.call("add");
  // @ts-expect-error The input is of another type.
  await client.call("greet", 5);
  // @ts-expect-error There is no such option.
  await client.call("greet", "you", { timeout: 5 });
  // @ts-expect-error The output is a number.
  const text: string = await client.call("add", { a: 1, b: 2 });
  // @ts-expect-error There is no such procedure.
  await client.notify("addd", { a: text, b: 2 });
  // @ts-expect-error The input is of another type.
  await client.notify("add", "1 + 2");
  client.callAsync("greet", "you", (result) => {
    if (result.ok) same<typeof result.output, string>(true);
    // @ts-expect-error A failed call has no output.
    else result.output;
  });
  // @ts-expect-error The callback is missing.
  client.callAsync("greet", "you");
  await untyped.call("anything", { at: "all" });
}

/** Compiled and never called. */
export function typedHandlers(): Handlers<MathContract>[] {
  return [
    procedures,
    { ...procedures, now: () => "tomorrow" },
    // @ts-expect-error A procedure is missing.
    { add: procedures.add, now: procedures.now },
    // @ts-expect-error The output is of another type.
    { ...procedures, add: () => "3" },
    // @ts-expect-error The input is of another type.
    { ...procedures, greet: (name: number) => Promise.resolve(`${name}`) },
  ];
}

/** Compiled and never called. */
export function typedPoolHandlers(
  pool: PoolHandlers<MathContract>,
  wrong: PoolHandler<(name: number) => string>,
): Handlers<MathContract>[] {
  return [
    pool,
    { ...procedures, add: pool.add },
    // @ts-expect-error The procedure that the pool runs is of another type.
    { ...procedures, greet: wrong },
    // @ts-expect-error Only a pool makes such a handler.
    { ...procedures, add: {} },
    // @ts-expect-error What is inside is not for users.
    { ...procedures, add: { handle: () => Promise.reject(), capacity: pool.add.capacity } },
  ];
}

Deno.test("Contracts give every procedure the types of its function", () => {
  same<InputOf<MathContract, "add">, { a: number; b: number }>(true);
  same<InputOf<MathContract, "greet">, string | undefined>(true);
  same<OutputOf<MathContract, "add">, number>(true);
  same<OutputOf<MathContract, "greet">, string>(true);
  assertEquals(typedHandlers().length, 5);
});
