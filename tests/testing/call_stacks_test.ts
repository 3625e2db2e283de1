import { assertEquals, assertStrictEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { RpcClient, RpcConnection, RpcServer } from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { randomQueue } from "../helpers/broker.ts";
import { startPair } from "../helpers/pair.ts";

const hang = () => new Promise<never>(() => {});
const handlers = {
  hang,
  fail() {
    throw new RangeError("of the handler");
  },
  async *endless() {
    yield 1;
    await hang();
  },
  *broken() {
    yield 1;
    throw new RangeError("of the generator");
  },
};

/** The function whose name a stack is to hold, with what it runs. */
async function userCode(run: () => Promise<unknown>): Promise<never> {
  await run();
  throw new TypeError("Cannot check the stack as the call has succeeded");
}

async function errorOf(run: () => Promise<unknown>): Promise<Error> {
  const error: unknown = await userCode(run).catch((error) => error);
  if (!(error instanceof Error)) throw new TypeError("Cannot check what is no error");
  return error;
}

async function assertShown(what: string, run: () => Promise<unknown>): Promise<void> {
  const { stack = "" } = await errorOf(run);
  assertStringIncludes(stack, "userCode", what);
}

async function read(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

Deno.test("The stack of a rejected call shows who called", async () => {
  await using pair = await startPair(handlers, { server: { prefetch: 50 } });
  const { client, url } = pair;
  await using lost = await RpcClient.connect(url, { queue: randomQueue() });
  const timeoutMs = 60;
  const signal = () => AbortSignal.timeout(40);
  await assertShown("timeout", () => client.call("hang", null, { timeoutMs }));
  await assertShown("remote", () => client.call("fail"));
  await assertShown("unroutable", () => lost.call("fail"));
  await assertShown("unroutable notify", () => lost.notify("fail"));
  await assertShown("abort", () => client.call("hang", null, { signal: signal() }));
  await assertShown("unencodable", () => client.call("hang", () => 1));
  await assertShown("all", () => Promise.all([1, 2].map(() => client.call("fail"))));
  await assertShown("map", () => read(client.map("hang", [1, 2], { timeoutMs })));
  await assertShown("callAll", () => client.callAll([["hang", 1], ["hang", 2]], { timeoutMs }));
  await assertShown("stream", () => read(client.stream("broken", null)));
  await assertShown(
    "idle stream",
    () => read(client.stream("endless", null, { idleTimeoutMs: timeoutMs })),
  );
  await assertShown(
    "aborted stream",
    () => read(client.stream("endless", null, { signal: signal() })),
  );
  await assertShown("closed", () => {
    const call = client.call("hang");
    void client.close({ graceMs: 20 });
    return call;
  });
  await assertShown("closed before", () => client.call("hang"));
  await pair.server.close({ graceMs: 0 });
});

Deno.test("The stack of a rejected task shows who ran it", async () => {
  const url = import.meta.resolve("../fixtures/workers/stream_worker.ts");
  await using pool = await WorkerPool.open(url, { maxWorkers: 1, startTimeoutMs: 60_000 });
  const signal = () => AbortSignal.timeout(40);
  await assertShown("unknown", () => pool.run("nowhere", null));
  await assertShown("aborted", () => pool.run("stuck", null, { signal: signal() }));
  await assertShown("timeout", () => pool.run("stuck", null, { timeoutMs: 40 }));
  await assertShown("stream", () => read(pool.stream("stuck", null, { signal: signal() })));
  await pool.close({ graceMs: 0 });
});

Deno.test("The stack of what could not be opened shows who opened it", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `amqp://127.0.0.1:${listener.addr.port}`;
  listener.close();
  const options = { queue: randomQueue(), log: false };
  await assertShown("client", () => RpcClient.connect(url, options));
  await assertShown("server", () => RpcServer.listen(url, { ...options, handlers }));
  await assertShown("connection", () => RpcConnection.open(url));
  const nowhere = import.meta.resolve("./nowhere.ts");
  await assertShown("pool", () => WorkerPool.open(nowhere, { maxWorkers: 1 }));
});

Deno.test("A call rejects with the very reason of its signal", async () => {
  await using pair = await startPair(handlers);
  const controller = new AbortController();
  const reason = Object.freeze(new RangeError("of the user"));
  const calls = [1, 2].map(() =>
    errorOf(() => pair.client.call("hang", null, { signal: controller.signal }))
  );
  controller.abort(reason);
  for (const error of await Promise.all(calls)) assertStrictEquals(error, reason);
  const shared = new RangeError("of many calls");
  const many = new AbortController();
  const errors = Array.from(
    { length: 50 },
    () => errorOf(() => pair.client.call("hang", null, { signal: many.signal })),
  );
  many.abort(shared);
  await Promise.all(errors);
  const lines = shared.stack?.split("\n").filter((line) => line.includes("userCode")) ?? [];
  assertEquals(lines.length, 1);
  await pair.server.close({ graceMs: 0 });
});
