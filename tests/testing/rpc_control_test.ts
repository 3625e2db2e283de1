import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { RpcControl, type RpcControlOptions } from "../../extras/control/rpc_control.ts";
import { procedure } from "../../extras/schema.ts";
import {
  type Handler,
  RpcClient,
  RpcError,
  RpcServer,
  type RpcServerEvent,
  type RpcServerOptions,
} from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually, within } from "../helpers/eventually.ts";

/** What docs/permissions.md grants a client. */
const CLIENT_RIGHTS = {
  configure: "^amq\\.gen.*$",
  write: "^(math\\.requests|amq\\.default|rpc\\.control)$",
  read: "^amq\\.gen.*$",
};

const NO_BODY = Buffer.alloc(0);

const WORKER = import.meta.resolve("../fixtures/workers/gated_worker.ts");

function startBroker(): Promise<TestBroker> {
  const web = { name: "web", password: "secret", permissions: { "/": CLIENT_RIGHTS } };
  return TestBroker.start({ users: [{ name: "guest", password: "guest" }, web] });
}

function clientUrl({ url }: TestBroker): string {
  return url.replace("guest:guest", "web:secret");
}

function consumersOf(broker: TestBroker): number | undefined {
  return broker.queues().find(({ name }) => name === "math")?.consumers;
}

interface Scene extends AsyncDisposable {
  readonly broker: TestBroker;
  readonly events: readonly RpcServerEvent[];
  readonly server: RpcServer;
  readonly client: RpcClient;
  readonly control: RpcControl;
}

async function startScene(
  handlers: Record<string, Handler>,
  options: Partial<RpcServerOptions> = {},
  controlOptions: RpcControlOptions = {},
): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await startBroker());
  const events: RpcServerEvent[] = [];
  const onEvent = (event: RpcServerEvent) => events.push(event);
  const all = { queue: "math", handlers, control: "admin", onEvent, ...options } as const;
  const server = await RpcServer.listen(broker.url, all);
  stack.defer(() => server.close({ graceMs: 0 }));
  const client = await RpcClient.connect(broker.url, { queue: "math" });
  stack.defer(() => client.close({ graceMs: 0 }));
  const control = stack.use(await RpcControl.connect(broker.url, controlOptions));
  const owned = stack.move();
  const dispose = () => owned.disposeAsync();
  return { broker, events, server, client, control, [Symbol.asyncDispose]: dispose };
}

const math = { queue: "math", expect: 1 };

Deno.test("ping finds all servers of a queue, and of all queues", async () => {
  await using broker = await startBroker();
  await using stack = new AsyncDisposableStack();
  for (const queue of [...Array(8).fill("math"), "text"]) {
    const handlers = { echo: (value: unknown) => value };
    stack.use(await RpcServer.listen(broker.url, { queue, handlers }));
  }
  await using control = await RpcControl.connect(clientUrl(broker));
  const answers = await control.ping({ queue: "math", expect: 8 });
  assertEquals(new Set(answers.map(({ id }) => id)).size, 8);
  assertEquals(new Set(answers.map(({ name }) => name)), new Set(["math"]));
  assert(answers.every(({ roundTripMs, loopDelayMs }) => roundTripMs > 0 && loopDelayMs >= 0));
  const all = await control.ping({ expect: 9 });
  assertEquals(all.map(({ name }) => name), [...Array(8).fill("math"), "text"]);
  const [one] = answers;
  assertEquals((await control.ping({ server: one?.id ?? "" })).map(({ id }) => id), [one?.id]);
  assertEquals(await control.queue("math"), { ready: 0, consumers: 8 });
  assertEquals(await control.queue("none"), undefined);
});

Deno.test("info tells procedures with their kinds, schemas and descriptions", async () => {
  const standard = {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) => ({ value }),
    jsonSchema: { input: () => ({ type: "number" }), output: () => ({ type: "string" }) },
  };
  const schema = { "~standard": standard };
  await using scene = await startScene({
    show: procedure(
      { input: schema, output: schema, description: "Shows a number" },
      (value) => value,
    ),
    *count(to: number) {
      for (let n = 0; n < to; n++) yield n;
    },
    echo: (value: unknown) => value,
  });
  const [info] = await scene.control.info(math);
  assertEquals(info?.endpoints, [
    {
      name: "show",
      kind: "call",
      description: "Shows a number",
      input: { type: "number" },
      output: { type: "string" },
    },
    { name: "count", kind: "stream" },
    { name: "echo", kind: "call" },
  ]);
  assertEquals([info?.state, info?.control, info?.prefetch], ["serving", "admin", 16]);
});

Deno.test("A schema that JSON cannot carry ends no server that is asked for it", async () => {
  const circular: Record<string, unknown> = { type: "string" };
  circular.self = circular;
  const standard = {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) => ({ value }),
    jsonSchema: { input: () => ({ type: "integer", examples: [5n] }), output: () => circular },
  };
  const schema = { "~standard": standard };
  await using scene = await startScene({
    show: procedure({ input: schema, output: schema }, (value) => value),
  });
  const [info] = await scene.control.info(math);
  assertEquals(info?.endpoints, [{ name: "show", kind: "call" }]);
});

Deno.test("stats count each procedure, strangers' names together, and tell no message", async () => {
  await using scene = await startScene({
    echo: (value: unknown) => value,
    fail: () => Promise.reject(new Error("password: hunter2")),
  });
  const { client, control } = scene;
  for (let n = 0; n < 3; n++) await client.call("echo", n);
  await assertRejects(() => client.call("fail", 0), RpcError);
  await assertRejects(() => client.call("none", 0), RpcError);
  const [stats] = await control.stats(math);
  const counted = stats?.endpoints.map(({ name, numRequests, numErrors }) => [
    name,
    numRequests,
    numErrors,
  ]);
  assertEquals(counted, [["echo", 3, 0], ["fail", 1, 1], ["_OTHER", 1, 1]]);
  assertEquals(stats?.counts, scene.server.stats());
  assertEquals(stats?.endpoints[1]?.lastError?.outcome, "error");
  assert(!JSON.stringify(stats).includes("hunter2"));
  assert((stats?.lagMs ?? NaN) < 1_000);
});

Deno.test("active and why tell where a request is, by an id that cannot cancel it", async () => {
  const started = Promise.withResolvers<string>();
  await using scene = await startScene({
    hang(_input: unknown, { correlationId, progress, signal }) {
      progress(0.6);
      started.resolve(correlationId ?? "");
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    },
  });
  const { control, client } = scene;
  const call = client.call("hang", "secret input", { onProgress() {} });
  call.catch(() => {});
  const correlationId = await started.promise;
  const [active] = await control.active(math);
  const [request] = active?.requests ?? [];
  assertEquals(active?.total, 1);
  assertEquals([request?.procedure, request?.state, request?.progress, request?.attempt], [
    "hang",
    "running",
    0.6,
    1,
  ]);
  assertMatch(request?.id ?? "", /^[\da-f]{12}$/);
  const told = JSON.stringify(active);
  for (const secret of [correlationId, "amq.gen", "secret input"]) assert(!told.includes(secret));
  for (const id of [request?.id ?? "", correlationId]) {
    const { servers, queue } = await control.why("math", id, { expect: 1 });
    assertEquals(servers.map(({ request }) => request?.id), [request?.id]);
    assertEquals(queue, { ready: 0, consumers: 1 });
  }
  const unknown = await control.why("math", crypto.randomUUID(), { expect: 1 });
  assertEquals(unknown.servers.map(({ request }) => request), [undefined]);
  assertEquals(await control.active({ ...math, olderMs: 60_000 }).then(([a]) => a?.total), 0);
  const [change] = await control.cancel([request?.id ?? ""], math);
  assertEquals([change?.cancelled, change?.refused], [1, undefined]);
  const error = await assertRejects(() => call, RpcError);
  assertEquals(error.code, "cancelled");
  const controlled = scene.events.filter(({ type }) => type === "controlled");
  assertEquals(controlled, [{ type: "controlled", change: "cancel", user: "guest", cancelled: 1 }]);
});

Deno.test("active tells which worker runs a task, and how many are before one that waits", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  await using scene = await startScene(pool.handlers() as unknown as Record<string, Handler>);
  const { client, control } = scene;
  const calls = ["a", "b", "c"].map((name) => client.call("wait", name));
  await eventually(async () => {
    const [active] = await control.active(math);
    const places = active?.requests.map(({ state, worker, ahead }) => ({ state, worker, ahead }));
    assertEquals(places, [
      { state: "running", worker: 0, ahead: undefined },
      { state: "waiting", worker: undefined, ahead: 0 },
      { state: "waiting", worker: undefined, ahead: 1 },
    ]);
  });
  const [stats] = await control.stats(math);
  assertEquals(stats?.pools, [{ workers: 1, busy: 1, crashed: 0, waiting: 2 }]);
  const gates = new BroadcastChannel("gates");
  for (const name of ["a", "b", "c"]) gates.postMessage(name);
  await Promise.all(calls);
  gates.close();
});

Deno.test("A paused server takes nothing, goes on with what it has, and is resumed", async () => {
  const gate = Promise.withResolvers<void>();
  await using scene = await startScene({
    wait: async (name: string) => {
      await gate.promise;
      return name;
    },
  });
  const { client, control, broker, events } = scene;
  const first = client.call("wait", "first");
  await eventually(async () => assertEquals((await control.stats(math))[0]?.inHand, 1));
  const [paused] = await control.pause(math);
  assertEquals([paused?.state, paused?.inHand], ["paused", 1]);
  assertEquals(scene.server.state.name, "paused");
  await eventually(() => assertEquals(consumersOf(broker), 0));
  const second = client.call("wait", "second");
  await eventually(async () => {
    assertEquals(await control.queue("math"), { ready: 1, consumers: 0 });
  });
  gate.resolve();
  assertEquals(await first, "first");
  const [still] = await control.stats(math);
  assertEquals([still?.state, still?.inHand], ["paused", 0]);
  const [resumed] = await control.resume(math);
  assertEquals([resumed?.state, scene.server.state.name], ["serving", "serving"]);
  assertEquals(await within(5_000, "the second call", second), "second");
  const changes = events.flatMap((event) => event.type === "controlled" ? event.change : []);
  assertEquals(changes, ["pause", "resume"]);
});

Deno.test("A paused server stays so over a lost connection", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value });
  const { broker, control } = scene;
  await control.pause(math);
  await eventually(() => assertEquals(consumersOf(broker), 0));
  broker.closeConnections();
  await eventually(async () => {
    const [stats] = await control.stats({ ...math, timeoutMs: 300 });
    assertEquals(stats?.state, "paused");
    assertEquals(scene.server.state.name, "paused");
  });
  assertEquals((await control.queue("math"))?.consumers, 0);
});

Deno.test("scale gives the pools of a server another size, and no more than they can have", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1 });
  await using scene = await startScene(pool.handlers() as unknown as Record<string, Handler>);
  const { control, events } = scene;
  const [before] = await control.stats(math);
  const [grown] = await control.scale(2, math);
  assertEquals([grown?.workers, grown?.refused], [2, undefined]);
  const workersOf = async () => (await control.stats(math))[0]?.pools[0]?.workers;
  await eventually(async () => assertEquals(await workersOf(), 2));
  const [after] = await control.stats(math);
  // It asks the broker for as many more.
  assertEquals(after?.prefetch, 2 * (before?.prefetch ?? 0));
  await control.scale(1, math);
  await eventually(async () => assertEquals(await workersOf(), 1));
  await assertRejects(() => control.scale(0, math), RangeError);
  await pool.close();
  assertMatch((await control.scale(2, math))[0]?.refused ?? "", /closed/);
  const told = events.flatMap((event) => event.type === "controlled" ? event : []);
  assertEquals(told.map(({ change, workers }) => [change, workers]), [
    ["scale", 2],
    ["scale", 1],
    ["scale", undefined],
  ]);
});

Deno.test("A server without a pool cannot be scaled", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value });
  const [answer] = await scene.control.scale(2, math);
  assertEquals([answer?.refused, answer?.workers], ["it has no pool", undefined]);
});

Deno.test("A drained server serves what it has in hand, and closes", async () => {
  const gate = Promise.withResolvers<void>();
  await using scene = await startScene({ wait: () => gate.promise });
  const { client, control } = scene;
  const call = client.call("wait", 0);
  await eventually(async () => assertEquals((await control.stats(math))[0]?.inHand, 1));
  const [drained] = await control.drain(math);
  assertEquals([drained?.state, drained?.inHand], ["draining", 1]);
  const [resumed] = await control.resume(math);
  assertEquals(resumed?.refused, "the server is draining");
  gate.resolve();
  await call;
  await eventually(async () => {
    const error = await assertRejects(() => control.ping(math), RpcError);
    assertEquals(error.code, "unroutable");
  });
});

Deno.test("A server without administrators cannot be changed, and one without control is silent", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value }, { control: "read" });
  const refused = await assertRejects(() => scene.control.pause(math), RpcError);
  assertEquals(refused.code, "unroutable");
  assertEquals((await scene.control.ping(math)).length, 1);
  await using silent = await startScene({ echo: (value: unknown) => value }, { control: "none" });
  assertEquals(await silent.control.ping({ ...math, timeoutMs: 100 }), []);
});

Deno.test("Threat: a client's documented rights change no server", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value });
  await using control = await RpcControl.connect(clientUrl(scene.broker));
  const changes = [
    () => control.pause(math),
    () => control.resume(math),
    () => control.drain(math),
    () => control.cancel(["x"], math),
    () => control.scale(2, math),
  ];
  for (const change of changes) {
    const error = await assertRejects(change, RpcError);
    assertEquals(error.code, "access-refused");
  }
  // Past the library: over the exchange that they may write to, and straight to the server's queue.
  const model = await connect(clientUrl(scene.broker));
  const channel = await model.createConfirmChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  const queues = scene.broker.queues().map(({ name }) => name);
  const properties = {
    type: "pause",
    correlationId: "1",
    replyTo,
    headers: { "exchange": "rpc.admin", "x-first-death-exchange": "rpc.admin" },
  };
  channel.publish("rpc.control", "math", NO_BODY, properties);
  for (const queue of queues.filter((name) => name.startsWith("amq.gen"))) {
    channel.sendToQueue(queue, NO_BODY, properties);
  }
  await channel.waitForConfirms();
  const [stats] = await scene.control.stats(math);
  assertEquals(stats?.state, "serving");
  assertEquals(scene.events.filter(({ type }) => type === "controlled"), []);
  // A queue of theirs cannot drop its messages there either.
  channel.on("error", () => {});
  await assertRejects(
    () => channel.assertQueue("", { exclusive: true, deadLetterExchange: "rpc.admin" }),
    Error,
    "ACCESS_REFUSED",
  );
  await model.close();
});

Deno.test("Threat: nobody's queue can be filled with answers", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value });
  const model = await connect(scene.broker.url);
  const channel = await model.createConfirmChannel();
  await channel.assertQueue("victim", { durable: true });
  for (let n = 0; n < 10; n++) {
    const properties = { type: "ping", correlationId: `${n}`, replyTo: "victim" };
    channel.publish("rpc.control", "math", NO_BODY, properties);
  }
  await channel.waitForConfirms();
  await scene.control.ping(math);
  assertEquals((await channel.checkQueue("victim")).messageCount, 0);
  await model.close();
});

Deno.test("Threat: garbage and floods of questions cost other askers nothing", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value });
  const model = await connect(clientUrl(scene.broker));
  const channel = await model.createConfirmChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  for (let n = 0; n < 2_000; n++) {
    const type = ["ping", "info", "why", "cancel", "nonsense"][n % 5] ?? "";
    const body = Buffer.from(n % 3 === 0 ? "{" : n % 3 === 1 ? "[]" : '{"id":7}');
    channel.publish("rpc.control", "math", body, { type, correlationId: "1", replyTo });
  }
  await channel.waitForConfirms();
  const answers = await scene.control.ping(math);
  assertEquals(answers.length, 1);
  const { messageCount } = await channel.checkQueue(replyTo);
  // A burst of 20, and 20 in each second.
  assert(messageCount > 0 && messageCount < 200, `${messageCount} answers`);
  await model.close();
});

Deno.test("Threat: broken questions count as questions of whoever sends them", async () => {
  await using scene = await startScene({ echo: (value: unknown) => value });
  const model = await connect(clientUrl(scene.broker));
  const channel = await model.createConfirmChannel();
  const { queue: replyTo } = await channel.assertQueue("", { exclusive: true });
  for (let n = 0; n < 2_000; n++) {
    const body = n % 40 === 39 ? NO_BODY : Buffer.from("{");
    const properties = { type: "ping", correlationId: "1", replyTo };
    channel.publish("rpc.control", "math", body, properties);
  }
  await channel.waitForConfirms();
  await scene.control.ping(math);
  const { messageCount } = await channel.checkQueue(replyTo);
  // Of 50 honest ones a burst of 20 would be answered if nothing but they counted.
  assert(messageCount < 15, `${messageCount} answers`);
  await model.close();
});

Deno.test("Threat: answers that are none trouble neither operators nor calls", async () => {
  await using broker = await startBroker();
  await using stack = new AsyncDisposableStack();
  const stranger = await connect(broker.url);
  stack.defer(() => stranger.close());
  const channel = await stranger.createChannel();
  await channel.assertQueue("math");
  await channel.assertExchange("rpc.control", "direct");
  const { queue } = await channel.assertQueue("", { exclusive: true });
  await channel.bindQueue(queue, "rpc.control", "math");
  const asked: string[] = [];
  await channel.consume(queue, (message) => {
    const { type, correlationId, replyTo } = message?.properties ?? {};
    asked.push(`${type}`);
    for (
      const wrong of [{ request: null }, { request: [] }, { requests: [null], total: "2" }, {}]
    ) {
      const answer = { type: `warren.rpc.v1.${type}`, name: "math", id: "x", pid: 1, ...wrong };
      const body = Buffer.from(JSON.stringify(answer));
      channel.sendToQueue(replyTo, body, { type: "control-reply", correlationId });
    }
  }, { noAck: true });
  await using control = await RpcControl.connect(broker.url, { timeoutMs: 300 });
  assertEquals(await control.active({ queue: "math" }), []);
  assertEquals(await control.stats({ queue: "math" }), []);
  await using client = await RpcClient.connect(broker.url, { queue: "math", log: false });
  const call = () => client.call("add", 1, { timeoutMs: 500 });
  assertEquals((await assertRejects(call, RpcError)).code, "timeout");
  assertEquals(new Set(asked), new Set(["active", "stats", "why"]));
});
