import { assert, assertEquals, assertRejects, assertThrows } from "../../deps/std_assert.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { isRpcError, safe } from "../../mod.ts";
import { type Caller, fakeClient, localClient } from "../../testing/mod.ts";

interface Shop {
  add(input: { a: number; b: number }): number;
  users: { get(id: string): { id: string; joined: bigint }; list(): string[] };
  primes(below: number): AsyncIterable<number>;
  later?: (n: number) => string;
}

/** As a user's code has it. */
async function nameOf(shop: Caller<Shop>, id: string): Promise<string> {
  return `${(await shop.api.users.get(id)).id}!`;
}

Deno.test("fakeClient() answers with the handlers that a test needs, typed where they stand", async () => {
  const shop = fakeClient<Shop>({
    users: { get: (id) => ({ id: id.toUpperCase(), joined: 5n }) },
    *primes(below) {
      for (let n = 2; n < below; n++) yield n;
    },
  });
  assertEquals(await nameOf(shop, "ann"), "ANN!");
  // As JSON has it.
  assertEquals((await shop.call("users.get", "1")).joined, 5);
  assertEquals(await Array.fromAsync(shop.stream("primes", 4)), [2, 3]);
  const missing = await safe(shop.call("add", { a: 1, b: 2 }));
  assert(!missing.ok && isRpcError(missing.error, "unknown-procedure"));
  await assertRejects(() => shop.call("later", 5), Error, "no such procedure");
});

Deno.test("localClient() carries what its codec carries", async () => {
  const at = new Date(0);
  const handlers = { at: (input: { at: Date }) => new Map([["at", input.at]]) };
  const client = localClient(handlers, { codecs: [msgpackCodec] });
  assertEquals(await client.api.at({ at }), new Map([["at", at]]));
});

Deno.test("localClient() tells a handler that its caller is gone", async () => {
  const reasons = [Promise.withResolvers<unknown>(), Promise.withResolvers<unknown>()];
  const started = Promise.withResolvers<void>();
  let runs = 0;
  const client = localClient({
    never: (_input: undefined, context) => {
      const { resolve } = reasons[runs++] ?? {};
      if (runs === 2) started.resolve();
      context.signal.addEventListener("abort", () => resolve?.(context.signal.reason));
      return new Promise<void>(() => {});
    },
  }, { timeoutMs: 5 });
  await assertRejects(() => client.call("never"), Error, "within 5 ms");
  const controller = new AbortController();
  const aborted = client.call("never", undefined, { signal: controller.signal });
  await started.promise;
  controller.abort(new Error("enough"));
  await assertRejects(() => aborted, Error, "enough");
  const [late, cancelled] = await Promise.all(reasons.map(({ promise }) => promise));
  assertEquals(late instanceof DOMException && late.name, "TimeoutError");
  assert(isRpcError(cancelled, "cancelled"));
});

Deno.test("localClient() ends a stream whose reader leaves, also one that hangs", async () => {
  const ended = Promise.withResolvers<void>();
  const client = localClient({
    async *hang(_input: undefined, context) {
      context.signal.addEventListener("abort", () => ended.resolve());
      yield await Promise.resolve(1);
      await new Promise<void>(() => {});
    },
  });
  for await (const item of client.stream("hang")) {
    assertEquals(item, 1);
    break;
  }
  await ended.promise;
});

Deno.test("localClient() refuses what is no handler, and options that cannot be used", () => {
  assertThrows(() => localClient({ five: 5 as unknown as () => 5 }), TypeError, '"five"');
  assertThrows(() => localClient({ a: () => 1 }, { timeoutMs: 0 }), RangeError, "timeoutMs");
  assertThrows(() => localClient(undefined as unknown as object), TypeError, "handlers");
});
