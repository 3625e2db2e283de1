import { assert, assertEquals, assertInstanceOf, assertRejects } from "../../deps/std_assert.ts";
import { z } from "../../deps/zod.ts";
import { withResilience } from "../../extras/resilience/resilience.ts";
import { procedure } from "../../extras/schema.ts";
import {
  type CallContext,
  type Caller,
  RpcClient,
  RpcRemoteError,
  RpcServer,
  RpcTimeoutError,
  safe,
} from "../../mod.ts";
import { localClient } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import type { Work } from "../fixtures/workers/callers_worker.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";

const id = z.object({ id: z.string() });

/** Handlers that show what becomes of values, errors, headers and aborts on their way. */
const handlers = {
  add: ({ a, b }: { a: number; b: number }) => a + b,
  ping: () => "pong",
  echo: (input: unknown) => input,
  users: {
    get: procedure({ input: id, errors: { NOT_FOUND: id } }, ({ id }, context) => {
      if (id !== "1") throw context.errors.NOT_FOUND({ id });
      return { id, name: "Ann" };
    }),
  },
  count: function* (to: number) {
    for (let n = 0; n < to; n++) yield n;
    if (to > 5) throw new RangeError("no more than 5");
  },
  tenant: (_input: undefined, context: CallContext) => {
    context.setReplyHeader("seen", "yes");
    return context.headers["tenant"] ?? "none";
  },
  steps: (to: number, context: CallContext) => {
    for (let step = 1; step <= to; step++) context.progress(step);
    return "done";
  },
  bad: () => 1n << 70n,
  never: (_input: undefined, context: CallContext) =>
    new Promise<void>((_, reject) => {
      context.signal.addEventListener("abort", () => reject(context.signal.reason));
    }),
};
type Handlers = typeof handlers;

/** What a caller does with values, errors and options, as plain values: all are to do the same. */
async function behaviour(caller: Caller<Handlers>): Promise<readonly unknown[]> {
  const replied: unknown[] = [];
  const progress: unknown[] = [];
  const missing = await safe(caller.api.users.get({ id: "2" }));
  assert(!missing.ok && missing.error.code === "NOT_FOUND");
  assertInstanceOf(missing.error, RpcRemoteError);
  const called = Promise.withResolvers<unknown>();
  caller.callAsync("add", { a: 3, b: 4 }, called.resolve);
  const calledWithout = Promise.withResolvers<unknown>();
  caller.callAsync("ping", calledWithout.resolve, { timeoutMs: 5_000 });
  await caller.notify("add", { a: 1, b: 1 });
  const { procedure, remoteName, remoteStack, retryable } = missing.error;
  return [
    await caller.call("add", { a: 1, b: 2 }),
    await calledWithout.promise,
    await caller.call("echo", { at: undefined, big: 5n, odd: [1, "ß", null] }),
    [...await caller.call("echo", new Uint8Array([1, 2])) as Uint8Array],
    [
      missing.error.details.id,
      missing.error.message,
      procedure,
      remoteName,
      remoteStack,
      retryable,
    ],
    await Array.fromAsync(caller.stream("count", 3)),
    await Array.fromAsync(caller.api.count(2)),
    await Array.fromAsync(caller.map("add", [{ a: 1, b: 1 }, { a: 2, b: 2 }])),
    await caller.callAll([["add", { a: 5, b: 5 }], ["tenant"]]),
    await called.promise,
    await caller.call("tenant", undefined, {
      headers: { tenant: "7" },
      onReply: ({ headers }) => replied.push(headers),
    }),
    await caller.call("steps", 3, { onProgress: (step) => progress.push(step) }),
    replied,
    progress,
    await describeError(caller.call("users.get", { id: 5 as unknown as string })),
    await describeError(caller.call("bad")),
    await describeError(caller.call("count" as "add", { a: 1, b: 1 })),
    await describeError(Array.fromAsync(caller.stream("add" as "count", 1))),
    await describeError(Array.fromAsync(caller.stream("count", 6))),
    await describeError(caller.call("nowhere" as "add", { a: 1, b: 1 })).then(([, code]) => code),
    await describeError(caller.call("never", undefined, { timeoutMs: 50 })).then(([name]) => name),
    await describeError(caller.call("never", undefined, { signal: AbortSignal.abort("mine") })),
    await describeError(caller.call("add", { a: 1, b: 1 }, { timeoutMs: 0 })),
    await describeError(caller.call("echo", { at: new Date(0) })).then((
      [name, code],
    ) => [name, code]),
  ];
}

/** What is the same of an error, wherever it was made. */
async function describeError(call: Promise<unknown>): Promise<readonly unknown[]> {
  try {
    return ["no error", await call];
  } catch (error) {
    if (!(error instanceof Error)) return ["thrown", error];
    const { name, message } = error;
    return [name, "code" in error ? error.code : undefined, message.replace(/: its request.*/, "")];
  }
}

async function startServer(stack: AsyncDisposableStack): Promise<RpcClient<Handlers>> {
  const queue = randomQueue();
  stack.defer(() => deleteQueue(queue));
  stack.use(await RpcServer.listen(brokerUrl(), { queue, handlers }));
  return stack.use(await RpcClient.connect<Handlers>(brokerUrl(), { queue }));
}

Deno.test("localClient() does with values, errors and options what a client does", async () => {
  await using stack = new AsyncDisposableStack();
  const client = await startServer(stack);
  assertEquals(await behaviour(localClient(handlers)), await behaviour(client));
});

Deno.test("withResilience() and RpcClient.with() make callers that do as their client", async () => {
  await using stack = new AsyncDisposableStack();
  const client = await startServer(stack);
  const expected = await behaviour(client);
  const policies = { retry: { firstDelayMs: 1 }, breaker: {}, bulkhead: { maxConcurrent: 9 } };
  assertEquals(await behaviour(withResilience(client, policies)), expected);
  assertEquals(await behaviour(client.with({})), expected);
});

Deno.test("RpcClient.with() gives all calls their headers, and both signals end them", async () => {
  await using stack = new AsyncDisposableStack();
  const client = await startServer(stack);
  const controller = new AbortController();
  const caller = client.with({ headers: { tenant: "7" }, signal: controller.signal });
  const called = Promise.withResolvers<unknown>();
  caller.callAsync("tenant", called.resolve);
  assertEquals(
    [
      await caller.call("tenant"),
      await caller.api.tenant(undefined, { headers: { trace: "1" } }),
      await caller.call("tenant", undefined, { headers: { tenant: "8" } }),
      await caller.callAll([["tenant"]]),
      await Array.fromAsync(caller.map("tenant", [undefined])),
      await called.promise,
      await client.call("tenant"),
    ],
    ["7", "7", "8", ["7"], ["7"], { ok: true, output: "7" }, "none"],
  );
  const own = new AbortController();
  const ended = [
    assertRejects(() => caller.call("never", undefined, { signal: own.signal }), Error, "own"),
    assertRejects(() => caller.call("never"), Error, "all"),
  ];
  own.abort(new Error("own"));
  controller.abort(new Error("all"));
  await Promise.all(ended);
});

Deno.test("WorkerPool.caller() is a caller of what the pool's workers run", async () => {
  const url = new URL("../fixtures/workers/callers_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open<Work>(url, { maxWorkers: 1, startTimeoutMs: 60_000 });
  const caller: Caller<Work> = pool.caller();
  const progress: unknown[] = [];
  assertEquals(
    [
      await caller.call("tenant", undefined, { headers: { tenant: "7" } }),
      await caller.api.maths.square(3),
      await Array.fromAsync(caller.stream("count", 3)),
      await Array.fromAsync(caller.map("maths.square", [1, 2])),
      await caller.call("steps", 2, { onProgress: (step) => progress.push(step) }),
      progress,
    ],
    ["7", 9, [0, 1, 2], [1, 4], "done", [1, 2]],
  );
  const failed = await safe(caller.call("fail"));
  assert(!failed.ok);
  assertInstanceOf(failed.error, RpcRemoteError);
  assertEquals([failed.error.remoteName, failed.error.message], ["RangeError", "no"]);
  const late = caller.call("hang", undefined, { timeoutMs: 20 });
  await assertRejects(() => late, RpcTimeoutError, "within 20 ms");
  assertEquals(await caller.call("maths.square", 4), 16);
});
