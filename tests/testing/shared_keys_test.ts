import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { FileStore } from "../../extras/idempotency/mod.ts";
import { type IdempotencyStore, RpcClient, RpcRemoteError, RpcServer } from "../../mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

/** Two servers of one queue, each with a file of its own open or both with the same store. */
async function startServers(
  handler: (input: number) => unknown,
  store: () => IdempotencyStore,
): Promise<{ client: RpcClient; servers: RpcServer[] } & AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  const queue = randomQueue();
  stack.defer(() => deleteQueue(queue));
  const servers: RpcServer[] = [];
  for (let index = 0; index < 2; index++) {
    const idempotency = { store: store() };
    const handlers = { pay: handler, ping: () => 1 };
    // So that the broker deals in turn.
    const options = { queue, handlers, idempotency, prefetch: 50 };
    servers.push(stack.use(await RpcServer.listen(brokerUrl(), options)));
  }
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue }));
  return { client, servers, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

Deno.test("A key runs once in all servers that share a file", async () => {
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const runs = new Map<number, number>();
  const ready = Promise.withResolvers<void>();
  const pay = async (order: number) => {
    runs.set(order, (runs.get(order) ?? 0) + 1);
    await ready.promise;
    return `paid ${order}`;
  };
  const open = () => stack.use(new FileStore(`${folder}/keys.db`));
  await using fleet = await startServers(pay, open);
  const { client, servers } = fleet;
  const orders = Array.from({ length: 20 }, (_, order) => order);
  const ask = (order: number) => client.call("pay", order, { idempotencyKey: `order ${order}` });
  const calls = [...orders, ...orders, ...orders].map(ask);
  await eventually(() => {
    const active = servers.map((server) => server.stats().active);
    assertEquals(active.reduce((sum, count) => sum + count, 0), 60);
    assertEquals(active.every((count) => count > 10), true);
  });
  ready.resolve();
  const outputs = await Promise.all(calls);
  assertEquals(outputs.slice(0, 20), orders.map((order) => `paid ${order}`));
  assertEquals([...runs.values()], orders.map(() => 1));
  const error = await assertRejects(
    () => client.call("pay", 99, { idempotencyKey: "order 1" }),
    RpcRemoteError,
  );
  assertEquals([error.code, runs.has(99)], ["idempotency-conflict", false]);
  const reused = servers.map((server) => server.stats().reused);
  assertEquals(reused.reduce((sum, count) => sum + count, 0), 40);
});

Deno.test("A key whose work failed is free for the next server", async () => {
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  let runs = 0;
  const pay = () => {
    if (++runs < 4) throw new RangeError(`run ${runs}`);
    return runs;
  };
  await using fleet = await startServers(pay, () => stack.use(new FileStore(`${folder}/keys.db`)));
  const ask = () => fleet.client.call("pay", 1, { idempotencyKey: "order" });
  for (let run = 1; run < 4; run++) await assertRejects(ask, RpcRemoteError, `run ${run}`);
  for (let again = 0; again < 4; again++) assertEquals(await ask(), 4);
});

Deno.test("A call with a key does not run while the store fails, others do", async () => {
  let runs = 0;
  const broken = () => {
    throw new Error("the disk is full");
  };
  const store = { claim: broken, keep: broken, release: broken };
  await using fleet = await startServers(() => ++runs, () => store);
  const error = await assertRejects(
    () => fleet.client.call("pay", 1, { idempotencyKey: "order" }),
    RpcRemoteError,
    "the disk is full",
  );
  assertEquals([error.code, error.retryable, runs], ["unavailable", true, 0]);
  assertEquals([await fleet.client.call("ping"), await fleet.client.call("pay", 1)], [1, 1]);
});
