import { assert, assertEquals } from "../../deps/std_assert.ts";
import { z } from "../../deps/zod.ts";
import { procedure } from "../../extras/schema.ts";
import { implement, isRpcError, type Procedure, RpcClient, RpcServer, safe } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";

interface User {
  id: string;
  name: string;
}

/** Written first: the server's code and the client's both have it. */
interface Users {
  users: {
    get: Procedure<{ id: string }, User, { NOT_FOUND: { id: string } }>;
    watch(): AsyncIterable<string>;
  };
  add(input: { a: number; b: number }): number;
}

/** Nobody is to call its second method. */
class Service {
  #count = 0;
  count(): number {
    return ++this.#count;
  }
  reset(): number {
    return this.#count = 0;
  }
}

const id = z.object({ id: z.string() });
const handlers = implement<Users>()({
  add: async ({ a, b }) => await Promise.resolve(a + b),
  users: {
    get: procedure({ input: id, errors: { NOT_FOUND: id } }, ({ id }, context) => {
      if (id !== "1") throw context.errors.NOT_FOUND({ id }, "no such user");
      return { id, name: "Ann" };
    }),
    watch: () => ReadableStream.from(["Ann", "Bob"]),
  },
});

Deno.test("RpcClient.api calls procedures in objects, and knows their errors", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  stack.use(await RpcServer.listen<Users>(brokerUrl(), { queue, handlers }));
  const client = stack.use(await RpcClient.connect<Users>(brokerUrl(), { queue }));
  const { api } = client;
  assertEquals((await api.users.get({ id: "1" })).name, "Ann");
  assertEquals(await Array.fromAsync(api.users.watch()), ["Ann", "Bob"]);
  assertEquals(await client.call("add", { a: 1, b: 2 }), 3);

  const result = await safe(api.users.get({ id: "2" }));
  assert(!result.ok && result.error.code === "NOT_FOUND");
  assertEquals([result.error.details.id, result.error.message], ["2", "no such user"]);
  const wrong = await safe(client.call("users.watch" as "add", { a: 1, b: 2 }));
  assert(!wrong.ok && isRpcError(wrong.error, "unwanted-stream"));
});

Deno.test("RpcServer.listen() serves the methods of a class that are asked for", async () => {
  const queue = randomQueue();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue));
  const service = new Service();
  const procedures = ["count"] as const;
  stack.use(await RpcServer.listen<Service>(brokerUrl(), { queue, handlers: service, procedures }));
  const client = stack.use(await RpcClient.connect<Service>(brokerUrl(), { queue }));
  assertEquals([await client.api.count(), await client.api.count()], [1, 2]);
  const result = await safe(client.api.reset());
  assert(!result.ok && isRpcError(result.error, "unknown-procedure"));
});
