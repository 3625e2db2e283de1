import { AsyncLocalStorage } from "node:async_hooks";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import {
  type CallContext,
  type ClientInterceptor,
  type InterceptedRequest,
  type MessageHeaders,
  type ReplyDetails,
  RpcError,
  type ServerInterceptor,
} from "../../mod.ts";
import { procedure } from "../../extras/schema.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Procedures, startPair } from "../helpers/pair.ts";

const WORKER = new URL("../fixtures/workers/headers_worker.ts", import.meta.url);

const procedures = {
  headers: (_input: unknown, context: CallContext) => context.headers,
  echo: (input: unknown) => input,
  fail: () => {
    throw new RpcError("out-of-tea", "There is no tea");
  },
  count: function* (input: unknown) {
    for (let index = 0; index < Number(input); index++) yield index;
  },
};

Deno.test("Interceptors of a client are called in order, and change headers", async () => {
  const seen: string[] = [];
  const note = (name: string): ClientInterceptor => async (call, next) => {
    seen.push(`${name} ${call.kind} ${call.procedure}`);
    const output = await next({ headers: { ...call.headers, [name]: seen.length } });
    seen.push(`${name} done`);
    return output;
  };
  const interceptors = [note("first"), note("second")];
  await using pair = await startPair(procedures, { client: { interceptors } });
  const options = { headers: { own: true } };
  assertEquals(await pair.client.call("headers", null, options), {
    own: true,
    first: 1,
    second: 2,
  });
  assertEquals(seen, ["first call headers", "second call headers", "second done", "first done"]);
});

Deno.test("Every way to call passes the interceptors", async () => {
  const kinds: string[] = [];
  const interceptors: ClientInterceptor[] = [(call, next) => {
    kinds.push(call.kind);
    return next();
  }];
  await using pair = await startPair(procedures, { client: { interceptors } });
  const { client } = pair;
  assertEquals(await client.call("echo", 1), 1);
  assertEquals(await Array.fromAsync(client.map("echo", [1, 2])), [1, 2]);
  assertEquals(await client.callAll([["echo", 3]]), [3]);
  await client.notify("echo", 4);
  assertEquals(await Array.fromAsync(client.stream("count", 3)), [0, 1, 2]);
  const result = await new Promise((resolve) => client.callAsync("echo", 5, resolve));
  assertEquals(result, { ok: true, output: 5 });
  assertEquals(kinds, ["call", "call", "call", "call", "notify", "stream", "call"]);
});

Deno.test("An interceptor of a client answers, replaces the input, and calls again", async () => {
  const attempts: unknown[] = [];
  const interceptors: ClientInterceptor[] = [async (call, next) => {
    if (call.input === "known") return "from a cache";
    try {
      return await next({ input: [call.input] });
    } catch (error) {
      attempts.push(error instanceof RpcError && error.code);
      return await next();
    }
  }];
  await using pair = await startPair(procedures, { client: { interceptors } });
  assertEquals(await pair.client.call("echo", "known"), "from a cache");
  assertEquals(await pair.client.call("echo", 1), [1]);
  await assertRejects(() => pair.client.call("fail", 1), RpcError, "There is no tea");
  assertEquals(attempts, ["out-of-tea"]);
  await eventually(() => assertEquals(pair.server.stats().failed, 2));
});

Deno.test("What an interceptor of a client throws is the outcome", async () => {
  const interceptors: ClientInterceptor[] = [() => {
    throw new RpcError("not-today", "Not today");
  }];
  await using pair = await startPair(procedures, { client: { interceptors } });
  const { client } = pair;
  await assertRejects(() => client.call("echo", 1), RpcError, "Not today");
  await assertRejects(() => client.notify("echo", 1), RpcError, "Not today");
  await assertRejects(() => Array.fromAsync(client.stream("count", 1)), RpcError, "Not today");
  assertEquals(pair.server.stats().succeeded, 0);
});

Deno.test("A stream that is left ends, whether or not its call was made", async () => {
  const gate = Promise.withResolvers<void>();
  const outcomes: string[] = [];
  const interceptors: ClientInterceptor[] = [async (call, next) => {
    if (call.input === 1) await gate.promise;
    await next().then(() => outcomes.push("end"), () => outcomes.push("left"));
  }];
  await using pair = await startPair(procedures, { client: { interceptors } });
  const early = pair.client.stream("count", 1);
  const first = early.next();
  await early.return();
  assertEquals((await first).done, true);
  gate.resolve();
  for await (const item of pair.client.stream("count", 1_000_000)) {
    if (item === 2) break;
  }
  assertEquals(await Array.fromAsync(pair.client.stream("count", 2)), [0, 1]);
  assertEquals(outcomes, ["left", "left", "end"]);
});

Deno.test("Interceptors of a server see requests and replies, and what a handler sees", async () => {
  const current = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const interceptors: ServerInterceptor[] = [
    (request, next) => current.run(`${request.procedure}`, next),
    async (request, next) => {
      request.setReplyHeader("seen", true);
      const reply = await next({ headers: { ...request.headers, added: 1 } });
      seen.push([request.procedure, request.isKnown, request.wantsReply, reply.type]);
      return reply;
    },
  ];
  const handlers = { ...procedures, current: () => current.getStore() };
  await using pair = await startPair(handlers, { server: { interceptors } });
  const replies: MessageHeaders[] = [];
  const onReply = (reply: ReplyDetails) => void replies.push(reply.headers);
  const options = { headers: { own: true }, onReply };
  assertEquals(await pair.client.call("headers", null, options), { own: true, added: 1 });
  assertEquals(await pair.client.call("current", null), "current");
  await assertRejects(() => pair.client.call("fail", null, options), RpcError, "There is no tea");
  assertEquals(await Array.fromAsync(pair.client.stream("count", 2, options)), [0, 1]);
  await assertRejects(() => pair.client.call("unknown", null), RpcError, "unknown");
  assertEquals(replies, [{ seen: true }, { seen: true }, { seen: true }]);
  assertEquals(seen, [
    ["headers", true, true, "output"],
    ["current", true, true, "output"],
    ["fail", true, true, "error"],
    ["count", true, true, "output"],
    ["unknown", false, true, "error"],
  ]);
});

Deno.test("Interceptors and observers of a server see what meta a procedure has", async () => {
  const seen: unknown[] = [];
  const admin = procedure.meta({ auth: true });
  const middle = procedure.use(({ ctx, next }) => next({ user: String(ctx.headers["user"]) }));
  const handlers = {
    drop: admin({}, () => "dropped"),
    users: {
      greet: middle({}, (_input, { user }) => `Hello, ${user}`),
      list: middle({}, async function* (_input, { user }) {
        yield await Promise.resolve(user);
      }),
    },
  };
  const interceptors: ServerInterceptor[] = [(request, next) => {
    seen.push([request.procedure, request.meta]);
    return next();
  }];
  await using pair = await startPair(handlers as unknown as Procedures, {
    server: { interceptors },
  });
  const { client, serverEvents } = pair;
  const headers = { user: "Ann" };
  assertEquals(await client.call("drop", undefined), "dropped");
  assertEquals(await client.call("users.greet", undefined, { headers }), "Hello, Ann");
  assertEquals(await Array.fromAsync(client.stream("users.list", undefined, { headers })), ["Ann"]);
  assertEquals(seen, [["drop", { auth: true }], ["users.greet", {}], ["users.list", {}]]);
  await eventually(() => {
    const served = serverEvents.flatMap((event) => event.type === "served" ? [event.meta] : []);
    assertEquals(served, [{ auth: true }, undefined, undefined]);
  });
});

Deno.test("An interceptor of a server answers, or refuses, and no handler runs", async () => {
  const interceptors: ServerInterceptor[] = [(request: InterceptedRequest, next) => {
    if (request.headers.token === "cached") return request.answer({ from: "a cache" });
    if (request.headers.token !== "secret") throw new RpcError("not-allowed", "Show your token");
    return next();
  }];
  let runs = 0;
  const handlers = { run: () => ++runs };
  await using pair = await startPair(handlers, { server: { interceptors } });
  const call = (token: string) => pair.client.call("run", null, { headers: { token } });
  const error = await assertRejects(() => call("wrong"), RpcError, "Show your token");
  assertEquals(error.code, "not-allowed");
  assertEquals(await call("cached"), { from: "a cache" });
  assertEquals(runs, 0);
  assertEquals(await call("secret"), 1);
});

Deno.test("An interceptor of a server that gives no reply is an error, not a wait", async () => {
  // As a program in plain JavaScript may.
  const interceptors = [() => undefined] as unknown as ServerInterceptor[];
  await using pair = await startPair(procedures, { server: { interceptors } });
  await assertRejects(() => pair.client.call("echo", 1), RpcError, "has given no reply");
});

Deno.test("Interceptors of a server are around a pool's handlers, too", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  const interceptors: ServerInterceptor[] = [(_request, next) => next({ headers: { added: 1 } })];
  const server = { handlers: pool.handlers(), interceptors };
  await using pair = await startPair({}, { server });
  const output = await pair.client.call("headers", null) as { readonly headers: unknown };
  assertEquals(output.headers, { added: 1 });
});

for (
  const [interceptors, reason] of [["log", "a list of functions"], [[1], "a function"]] as const
) {
  Deno.test(`interceptors: ${JSON.stringify(interceptors)} is refused`, async () => {
    // As untyped callers do.
    const options = { interceptors } as unknown as { readonly interceptors: [] };
    await assertRejects(() => startPair(procedures, { client: options }), TypeError, reason);
    await assertRejects(() => startPair(procedures, { server: options }), TypeError, reason);
  });
}

Deno.test("An interceptor of a server that never settles keeps no place, and is told of", async () => {
  const never = Promise.withResolvers<never>().promise;
  let isStuck = true;
  const before: ServerInterceptor = (_request, next) => isStuck ? never : next();
  const after: ServerInterceptor = async (_request, next) => {
    const reply = await next();
    return isStuck ? await never : reply;
  };
  for (const interceptor of [before, after]) {
    isStuck = true;
    const server = { prefetch: 1, interceptors: [interceptor] };
    await using pair = await startPair(procedures, { server });
    const error = await assertRejects(
      () => pair.client.call("echo", 1, { timeoutMs: 100 }),
      RpcError,
    );
    assertEquals(error.code, "timeout");
    await eventually(() => assertEquals(pair.server.stats().active, 0));
    assertEquals(pair.serverEvents.filter(({ type }) => type === "abandoned").length, 1);
    isStuck = false;
    assertEquals(await pair.client.call("echo", 2), 2);
  }
});

Deno.test("No handler runs for a request that is cancelled while an interceptor waits", async () => {
  const [asked, checked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const interceptor: ServerInterceptor = async (_request, next) => {
    asked.resolve();
    await checked.promise;
    return await next();
  };
  let runs = 0;
  const handlers = { run: () => ++runs };
  await using pair = await startPair(handlers, { server: { interceptors: [interceptor] } });
  const controller = new AbortController();
  const call = pair.client.call("run", null, { signal: controller.signal });
  await asked.promise;
  controller.abort(new Error("not any more"));
  await assertRejects(() => call, Error, "not any more");
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
  checked.resolve();
  await pair.server.close();
  assertEquals(runs, 0);
});

Deno.test("A call ends with its signal while an interceptor of its client waits", async () => {
  const never = Promise.withResolvers<never>().promise;
  await using pair = await startPair(procedures, { client: { interceptors: [() => never] } });
  const { client } = pair;
  const options = () => {
    const controller = new AbortController();
    queueMicrotask(() => controller.abort(new Error("not any more")));
    return { signal: controller.signal };
  };
  const ways: Record<string, () => Promise<unknown>> = {
    call: () => client.call("echo", 1, options()),
    context: () => client.call("echo", 1, { context: options() as CallContext }),
    aborted: () => client.call("echo", 1, { signal: AbortSignal.abort(new Error("not any more")) }),
    callAll: () => client.callAll([["echo", 1]], options()),
    map: () => Array.fromAsync(client.map("echo", [1], options())),
    notify: () => client.notify("echo", 1, options()),
    stream: () => Array.fromAsync(client.stream("count", 1, options())),
  };
  for (const [name, way] of Object.entries(ways)) {
    await assertRejects(way, Error, "not any more", name);
  }
  const done = Promise.withResolvers<unknown>();
  client.callAsync("echo", 1, (result) => done.resolve(result), options());
  assertEquals(await done.promise, { ok: false, error: new Error("not any more") });
});
