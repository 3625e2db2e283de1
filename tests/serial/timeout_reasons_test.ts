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
  const words = await timeoutOf(() => scene.client.call("work", 0, { onProgress() {} }));
  assertMatch(
    words,
    /^it runs on server [\da-f]{12} on .+ for [5-9]\d\d ms, its last progress was 0\.6$/,
  );
});

Deno.test("A timeout names the worker, or how many wait before the request", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  await using scene = await startScene(pool.handlers() as unknown as Record<string, Handler>);
  const calls = ["a", "b", "c"].map((name) => timeoutOf(() => scene.client.call("wait", name)));
  const [running, first, second] = await Promise.all(calls);
  assertMatch(running ?? "", /^it runs on worker 0 of server [\da-f]{12} on .+ for \d+ ms$/);
  assertMatch(first ?? "", /^it waits in the backlog of server [\da-f]{12} on .+, 0 ahead$/);
  assertMatch(second ?? "", /, 1 ahead$/);
  const gates = new BroadcastChannel("gates");
  for (const name of ["a", "b", "c"]) gates.postMessage(name);
  gates.close();
});

Deno.test("A timeout says that its request is still in the queue, and for how many servers", async () => {
  await using scene = await startScene({ hang }, { prefetch: 1 });
  const first = timeoutOf(() => scene.client.call("hang", 0, { timeoutMs: 2_000 }));
  await eventually(() => assertEquals(scene.server.stats().active, 1));
  const words = await timeoutOf(() => scene.client.call("hang", 0));
  assertEquals(words, "it is still in the queue, where 1 wait for 1 servers");
  await first;
});

Deno.test("A timeout says that its queue has no server, or that they are paused", async () => {
  await using scene = await startScene({ hang });
  await using control = await RpcControl.connect(scene.broker.url);
  await control.pause({ queue: "math", expect: 1 });
  const consumers = () => scene.broker.queues().find(({ name }) => name === "math")?.consumers;
  await eventually(() => assertEquals(consumers(), 0));
  assertEquals(
    await timeoutOf(() => scene.client.call("hang", 0)),
    "it is still in the queue, where 1 wait, as its servers are paused: 1 of them",
  );
  await scene.server.close();
  assertMatch(
    await timeoutOf(() => scene.client.call("hang", 0)),
    /^it is still in the queue, where \d wait, and has no server: start one$/,
  );
});

Deno.test("A timeout says that nobody knows its request", async () => {
  await using scene = await startScene({ hang }, { replyQueues: /^none$/ });
  // Another consumer takes it, and gives no answer.
  const call = timeoutOf(() => scene.client.call("hang", 0));
  await eventually(() => assertEquals(scene.server.stats().active, 1));
  await scene.server.close({ graceMs: 0 });
  const broker = scene.broker;
  await eventually(() => {
    assertEquals(broker.queues().find(({ name }) => name === "math")?.consumers, 0);
  });
  await purge(broker.url);
  const words = await call;
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

Deno.test("A call rejects no later as it is asked about, and only if it is to be", async () => {
  await using scene = await startScene({ hang }, {}, { explainTimeouts: false });
  assertEquals(await timeoutOf(() => scene.client.call("hang", 0)), "its request was queued");
  await using other = await startScene({ hang });
  assertEquals(
    await timeoutOf(() => other.client.call("hang", 0, { timeoutMs: 250 })),
    "its request was queued",
  );
  const startedAt = performance.now();
  const late = await Promise.all(Array.from({ length: 100 }, async () => {
    await timeoutOf(() => other.client.call("hang", 0));
    return performance.now() - startedAt - TIMEOUT_MS;
  }));
  assert(late.every((ms) => ms >= -1), "Some were early");
  // They are asked about 100 ms before: whoever waited for the answers would be later than that.
  assert(Math.max(...late) < 1_000, `${Math.max(...late)} ms late`);
});

async function purge(url: string): Promise<void> {
  const { connect } = await import("../../deps/amqplib.ts");
  const model = await connect(url);
  const channel = await model.createChannel();
  await channel.purgeQueue("math");
  await model.close();
}
