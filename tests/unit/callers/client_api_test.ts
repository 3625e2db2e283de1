import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { clientApi } from "../../../internal/callers/client_api.ts";
import type { ClientApi } from "../../../caller.ts";

interface Shop {
  add(input: number): number;
  primes(below: number): AsyncIterable<number>;
  users: { get(id: string): string; old: { list(): string[] } };
}

/** An api, and what it has called so far. */
function startApi(fail?: RpcError) {
  const calls: unknown[] = [];
  const api = clientApi({
    call(...call) {
      calls.push(call);
      return fail === undefined ? Promise.resolve("output") : Promise.reject(fail);
    },
    async *stream(...call) {
      calls.push(["stream", ...call]);
      yield await Promise.resolve(1);
      yield 2;
    },
  });
  // As the client has it.
  return { api: api as ClientApi<Shop>, calls };
}

Deno.test("clientApi() calls by the names of its members", async () => {
  const { api, calls } = startApi();
  assertEquals(await api.users.get("1", { timeoutMs: 5 }) as unknown, "output");
  await api.users.old.list();
  await Promise.all([api.add(1), api.add(2)]);
  assertEquals(calls, [
    ["users.get", "1", { timeoutMs: 5 }],
    ["users.old.list"],
    ["add", 1],
    ["add", 2],
  ]);
  assertEquals(await Promise.resolve(api.users) === api.users, true);
});

Deno.test("clientApi() calls nobody when it is written into a log", async () => {
  const { api, calls } = startApi();
  assertEquals([`${api}`, String(api.users.get)], ["api", "api.users.get"]);
  assertEquals(JSON.stringify({ api, get: api.users.get }), "{}");
  Deno.inspect(api);
  await Promise.resolve();
  assertEquals(calls, []);
});

Deno.test("clientApi() streams what is iterated, and calls nothing else", async () => {
  const { api, calls } = startApi();
  assertEquals(await Array.fromAsync(api.primes(5)), [1, 2]);
  const kept = api.primes(6);
  assertEquals((await kept.next()).value, 1);
  await kept.return();
  assertEquals(calls, [["stream", "primes", 5], ["stream", "primes", 6]]);
});

Deno.test("clientApi() calls also what nobody awaits", async () => {
  const { api, calls } = startApi();
  void api.add(1);
  assertEquals(calls, []);
  await Promise.resolve();
  assertEquals(calls, [["add", 1]]);
});

Deno.test("clientApi() hands errors on, once", async () => {
  const { api, calls } = startApi(new RpcError("closed", "Cannot call"));
  const call = api.add(1);
  await assertRejects(() => call, RpcError, "Cannot call");
  assertEquals(await call.catch(() => "caught") as unknown, "caught");
  assertEquals(calls.length, 1);
  // A stream that is kept for later is no failure.
  const later = startApi(new RpcError("unwanted-stream", "Cannot call"));
  const items = later.api.primes(5);
  await Promise.resolve();
  assertEquals(await Array.fromAsync(items), [1, 2]);
});
