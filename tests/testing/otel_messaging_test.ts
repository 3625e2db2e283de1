import { assert, assertEquals, assertRejects, assertThrows } from "../../deps/std_assert.ts";
import { metrics as metricsApi } from "../../deps/opentelemetry_api.ts";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "../../deps/opentelemetry_sdk_metrics.ts";
import {
  instrumentCalls,
  instrumentEvents,
  instrumentRequests,
  instrumentStats,
} from "../../extras/otel/mod.ts";
import { RpcClient, type RpcClientEvent, RpcServer, type RpcServerEvent } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import { assertChild, forgetSpans, keepSpans, spanList, spansOf } from "../helpers/kept_spans.ts";

keepSpans();
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 30 });
metricsApi.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
const WORKER = new URL("../fixtures/workers/traced_worker.ts", import.meta.url);

/** A server and a client whose messages have spans. */
async function start(handlers: object = { work: (input: unknown) => input }) {
  forgetSpans();
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const server = stack.use(
    await RpcServer.listen(broker.url, {
      queue: "math",
      handlers,
      interceptors: [instrumentRequests("math", { messagingSpans: true })],
      onEvent: instrumentEvents("math"),
    }),
  );
  const client = stack.use(
    await RpcClient.connect(broker.url, {
      queue: "math",
      interceptors: [instrumentCalls({ messagingSpans: true })],
      onEvent: instrumentEvents("math"),
    }),
  );
  const owned = stack.move();
  const port = Number(new URL(broker.url).port);
  return { broker, server, client, port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** All points of a metric, by their attributes; a histogram's are counts. */
async function pointsOf(name: string) {
  exporter.reset();
  await reader.forceFlush();
  const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => {
    return scopeMetrics.flatMap(({ metrics }) => metrics);
  });
  const found = all.find(({ descriptor }) => descriptor.name === name);
  const points = (found?.dataPoints ?? []).map(({ attributes, value }) => ({
    attributes,
    value: typeof value === "number" ? value : value.count,
  }));
  return { unit: found?.descriptor.unit, points };
}

Deno.test("A call's messages are published, processed and acknowledged, in one tree", async () => {
  await using scene = await start();
  assertEquals(await scene.client.call("work", 1), 1);
  const spans = await spansOf(5);
  const publish = spans["PRODUCER publish math"];
  const process = spans["CONSUMER process math"];
  assertChild(publish, spans["CLIENT math/work"]);
  assertChild(process, publish);
  assertEquals(process?.links.map(({ context }) => context.spanId), [
    publish?.spanContext().spanId,
  ]);
  assertChild(spans["SERVER math/work"], process);
  assertChild(spans["CLIENT ack math"], process);
  const told = [publish, process, spans["CLIENT ack math"]].map((span) => [
    span?.attributes["messaging.system"],
    span?.attributes["messaging.operation.name"],
    span?.attributes["messaging.operation.type"],
    span?.attributes["messaging.destination.name"],
    span?.attributes["messaging.rabbitmq.destination.routing_key"],
    span?.attributes["server.address"],
    span?.attributes["server.port"],
  ]);
  const rest = ["math", "math", "127.0.0.1", scene.port];
  assertEquals(told, [
    ["rabbitmq", "publish", "send", ...rest],
    ["rabbitmq", "process", "process", ...rest],
    ["rabbitmq", "ack", "settle", ...rest],
  ]);
  assertEquals(process?.attributes["messaging.message.body.size"], 1);
  assert(publish !== undefined && process !== undefined);
  for (const name of ["CLIENT math/work", "SERVER math/work"]) {
    const { "server.address": address, "server.port": port } = spans[name]?.attributes ?? {};
    assertEquals([address, port], ["127.0.0.1", scene.port]);
  }
});

Deno.test("A request whose worker dies is given back, and acknowledged the second time", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, startTimeoutMs: 60_000 });
  await using scene = await start(pool.handlers());
  assertEquals(await scene.client.call("dieOnce"), "alive");
  const names = (await spanList(8)).map(({ name }) => name);
  assertEquals(names.filter((name) => name.startsWith("nack")), ["nack math"]);
  assertEquals(names.filter((name) => name.startsWith("ack")), ["ack math"]);
});

Deno.test("A notification has the span of its message, and no other", async () => {
  await using scene = await start();
  await scene.client.notify("work", 1);
  const spans = await spansOf(3);
  assertChild(spans["CONSUMER process math"], spans["PRODUCER send math"]);
  assertChild(spans["CLIENT ack math"], spans["CONSUMER process math"]);
});

Deno.test("Messages are counted, and how long they took, by queue alone", async () => {
  await using scene = await start();
  const before = await pointsOf("messaging.client.sent.messages");
  const sentBefore = before.points[0]?.value ?? 0;
  await scene.client.call("work", 1);
  await assertRejects(() => scene.client.call("a stranger's", 1));
  await spanList(10);
  const sent = await pointsOf("messaging.client.sent.messages");
  assertEquals(sent.unit, "{message}");
  const labels = {
    "messaging.system": "rabbitmq",
    "messaging.operation.name": "publish",
    "messaging.destination.name": "math",
  };
  assertEquals(sent.points, [{ attributes: labels, value: sentBefore + 2 }]);
  for (
    const name of [
      "messaging.client.consumed.messages",
      "messaging.client.operation.duration",
      "messaging.process.duration",
    ]
  ) {
    const { points } = await pointsOf(name);
    assert(points.length >= 1, name);
    for (const { attributes } of points) assertEquals(attributes["rpc.method"], undefined, name);
  }
  const process = await pointsOf("messaging.process.duration");
  assertEquals(process.unit, "s");
  const errors = process.points.map(({ attributes }) => attributes["error.type"]);
  assert(errors.includes("unknown-procedure"), String(errors));
});

Deno.test("instrumentStats() exports what stats() has, until it is disposed of", async () => {
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 2, startTimeoutMs: 60_000 });
  await using scene = await start();
  await scene.client.call("work", 1);
  await eventually(() => assertEquals(scene.server.stats().succeeded, 1));
  let asked = 0;
  {
    using _stats = instrumentStats(() => {
      asked++;
      return { server: scene.server, client: scene.client, pool, late: undefined };
    });
    const requests = await pointsOf("warren.server.requests");
    assertEquals(requests.unit, "{request}");
    const outputs = requests.points.filter(({ attributes }) => attributes.outcome === "output");
    assertEquals(outputs, [{ attributes: { part: "server", outcome: "output" }, value: 1 }]);
    const pending = await pointsOf("warren.client.pending_calls");
    assertEquals(pending.points, [{ attributes: { part: "client" }, value: 0 }]);
    const workers = await pointsOf("warren.pool.workers");
    const { busy, idle, starting } = pool.stats();
    const sum = workers.points.reduce((sum, { value }) => sum + Number(value), 0);
    assertEquals(sum, busy + idle + starting);
    assertEquals((await pointsOf("warren.pool.task.run.duration")).unit, "s");
  }
  assert(asked > 0);
  const askedBefore = asked;
  await pointsOf("warren.client.pending_calls");
  assertEquals(asked, askedBefore);
});

Deno.test("Events become metrics of the queue and of connections", async () => {
  await using scene = await start();
  await scene.client.call("work", 1);
  const queued = await pointsOf("warren.client.queue.duration");
  assertEquals(queued.unit, "s");
  const methods = queued.points.map(({ attributes }) => attributes["rpc.method"]);
  assert(methods.includes("math/work"), String(methods));
  const onClient = instrumentEvents("other");
  const onServer = instrumentEvents("other");
  const error = new Error("as asked");
  const events = [
    { type: "connected" },
    { type: "blocked", reason: "memory" },
    { type: "unblocked" },
    { type: "disconnected", error },
    { type: "connected" },
  ] as const;
  for (const event of events) {
    onClient(event satisfies RpcClientEvent);
    onServer({ ...event, connection: "publisher" } satisfies RpcServerEvent);
  }
  const own = async (name: string) => {
    const { points } = await pointsOf(name);
    return points.filter(({ attributes }) => attributes.queue === "other").map((point) => [
      point.attributes.role,
      point.value,
    ]);
  };
  const expected = [["client", 1], ["publisher", 1]];
  assertEquals(await own("warren.connection.reconnects"), expected);
  assertEquals(await own("warren.connection.blocked.duration"), expected);
});

Deno.test("What is instrumented wants options and queues that there are", () => {
  const wrong: object = { messagingSpans: 1 };
  assertThrows(() => instrumentCalls(wrong), TypeError, "messagingSpans");
  assertThrows(() => instrumentRequests("math", wrong), TypeError, "messagingSpans");
  assertThrows(() => instrumentEvents(""), TypeError, "queue");
});
