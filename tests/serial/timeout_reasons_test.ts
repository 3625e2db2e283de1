import { connect } from "../../deps/amqplib.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import {
  type Handler,
  RpcClient,
  type RpcClientOptions,
  RpcServer,
  type RpcServerOptions,
  RpcTimeoutError,
} from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";

const TIMEOUT_MS = 700;
const WORKER = import.meta.resolve("../fixtures/workers/gated_worker.ts");

const hang = () => new Promise<never>(() => {});

interface Scene extends AsyncDisposable {
  readonly broker: TestBroker;
  readonly server: RpcServer;
  readonly client: RpcClient;
}

async function startScene(
  handlers: Record<string, Handler>,
  options: Partial<RpcServerOptions> = {},
  clientOptions: Partial<RpcClientOptions> = {},
): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const all = { queue: "math", handlers, control: "admin", log: false, ...options } as const;
  const server = await RpcServer.listen(broker.url, all);
  stack.defer(() => server.close({ graceMs: 0 }));
  const client = await RpcClient.connect(broker.url, {
    queue: "math",
    timeoutMs: TIMEOUT_MS,
    log: false,
    ...clientOptions,
  });
  stack.defer(() => client.close({ graceMs: 0 }));
  const owned = stack.move();
  return { broker, server, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What is said if no answer has come in time. */
const UNKNOWN_REGEXP = /^its request was (queued|running)$/;

/**
 * What the errors of calls say that time out, all made at the same time. On a busy machine the answers
 * may come after the deadline, which is 100 ms after the question: then the calls are made again.
 */
async function reasonsOf(
  server: RpcServer,
  ...calls: readonly (() => Promise<unknown>)[]
): Promise<string[]> {
  for (;;) {
    const reasons = await Promise.all(calls.map(timeoutOf));
    if (!reasons.some((words) => UNKNOWN_REGEXP.test(words))) return reasons;
    await eventually(() => assertEquals(server.stats().active, 0));
  }
}

/** The same of one call, none of whose requests is ever run. */
async function wordsOf(call: () => Promise<unknown>): Promise<string> {
  for (;;) {
    const words = await timeoutOf(call);
    if (!UNKNOWN_REGEXP.test(words)) return words;
  }
}

/** What the error of a call says that times out. */
async function timeoutOf(call: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(call, RpcTimeoutError);
  return error.message.replace(/^.*? within \d+ ms: /, "").replace(
    / \(\w+ \d+ ms(, \w+ \d+ ms)*\)$/,
    "",
  );
}

Deno.test("A timeout says that its request runs, where, for how long and how far it is", async () => {
  await using scene = await startScene({
    work(_input: unknown, { progress }) {
      progress(0.6);
      return hang();
    },
  });
  const call = () => scene.client.call("work", 0, { onProgress() {} });
  const [words = ""] = await reasonsOf(scene.server, call);
  assertMatch(
    words,
    /^it runs on server [\da-f]{12} on .+ for \d+ ms, its last progress was 0\.6$/,
  );
});

Deno.test("A timeout names the worker, or how many wait before the request", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  await using scene = await startScene(pool.handlers() as unknown as Record<string, Handler>);
  const names = ["a", "b", "c"];
  const calls = names.map((name) => () => scene.client.call("wait", name));
  const [running, first, second] = await reasonsOf(scene.server, ...calls);
  assertMatch(running ?? "", /^it runs on worker 0 of server [\da-f]{12} on .+ for \d+ ms$/);
  assertMatch(first ?? "", /^it waits in the backlog of server [\da-f]{12} on .+, 0 ahead$/);
  assertMatch(second ?? "", /, 1 ahead$/);
  const gates = new BroadcastChannel("gates");
  for (const name of names) gates.postMessage(name);
  gates.close();
});

Deno.test("A timeout says that its request is still in the queue, and for how many servers", async () => {
  await using scene = await startScene({ hang }, { prefetch: 1 });
  const ending = new AbortController();
  const held = scene.client.call("hang", 0, { timeoutMs: 600_000, signal: ending.signal });
  await eventually(() => assertEquals(scene.server.stats().active, 1));
  const words = await wordsOf(() => scene.client.call("hang", 0));
  assertEquals(words, "it is still in the queue, where 1 wait for 1 servers");
  ending.abort(new Error("the end"));
  await assertRejects(() => held, Error, "the end");
});

Deno.test("A timeout says that its queue has no server, or that they are paused", async () => {
  await using scene = await startScene({ hang });
  await using control = await RpcControl.connect(scene.broker.url);
  await control.pause({ queue: "math", expect: 1 });
  const consumers = () => scene.broker.queues().find(({ name }) => name === "math")?.consumers;
  await eventually(() => assertEquals(consumers(), 0));
  assertMatch(
    await wordsOf(() => scene.client.call("hang", 0)),
    /^it is still in the queue, where \d+ wait, as its servers are paused: 1 of them$/,
  );
  await scene.server.close();
  assertMatch(
    await wordsOf(() => scene.client.call("hang", 0)),
    /^it is still in the queue, where \d+ wait, and has no server: start one$/,
  );
});

Deno.test("A timeout says that nobody knows its request", async () => {
  await using scene = await startScene({ hang });
  await scene.server.close();
  await using stack = new AsyncDisposableStack();
  const model = await connect(scene.broker.url);
  stack.defer(() => model.close());
  const channel = await model.createChannel();
  const words = await wordsOf(async () => {
    const call = scene.client.call("hang", 0);
    call.catch(() => {});
    // Somebody takes the request, and is nobody's consumer.
    await eventually(async () => assert(await channel.get("math", { noAck: true })));
    return await call;
  });
  assertEquals(
    words,
    "no server knows it, and none waits in the queue: it was lost, or just answered",
  );
});

Deno.test("Threat: who sees the question about a call cannot reply to it", async () => {
  const ids: string[] = [];
  await using scene = await startScene({
    hang(_input: unknown, { correlationId }) {
      ids.push(correlationId ?? "");
      return hang();
    },
  });
  await using stack = new AsyncDisposableStack();
  const model = await connect(scene.broker.url);
  stack.defer(() => model.close());
  const channel = await model.createChannel();
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "rpc.control", "math");
  const questions: string[] = [];
  await channel.consume(queue, (message) => {
    const { type, correlationId, headers } = message?.properties ?? {};
    if (type === "why") {
      questions.push(JSON.stringify([correlationId, headers, `${message?.content}`]));
    }
  }, { noAck: true });
  await timeoutOf(() => scene.client.call("hang", 0));
  await eventually(() => assertEquals(questions.length, 1));
  assertEquals(ids.length, 1);
  assert(!questions[0]?.includes(ids[0] ?? "-"), questions[0]);
});

Deno.test("A call rejects whether it is explained or not, and no earlier", async () => {
  await using unasked = await startScene({ hang }, {}, { explainTimeouts: false });
  assertMatch(await timeoutOf(() => unasked.client.call("hang", 0)), UNKNOWN_REGEXP);
  await using scene = await startScene({ hang });
  // There is no time for a question.
  const short = () => scene.client.call("hang", 0, { timeoutMs: 250 });
  assertMatch(await timeoutOf(short), UNKNOWN_REGEXP);
  // Nobody answers.
  await using silent = await startScene({ hang }, { control: "none" });
  await timeoutOf(() => silent.client.call("hang", 0));
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: 100 }, async () => {
    await timeoutOf(() => scene.client.call("hang", 0));
    assert(performance.now() - startedAt >= TIMEOUT_MS - 1, "It was early");
  }));
});
