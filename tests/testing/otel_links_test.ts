import { Buffer } from "node:buffer";
import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { trace } from "../../deps/opentelemetry_api.ts";
import type { ReadableSpan } from "../../deps/opentelemetry_sdk_trace_base.ts";
import { instrumentCallback, instrumentCalls, instrumentRequests } from "../../extras/otel/mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { type CallContext, RpcClient, type RpcClientOptions, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import {
  assertChild,
  assertLinked,
  forgetSpans,
  keepSpans,
  spanList,
  spansOf,
} from "../helpers/kept_spans.ts";
import { AmqplibClient } from "./helpers/amqplib.ts";

keepSpans();
const FOREIGN = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";

/** A server whose handler waits to be let go, and clients whose spans are kept. */
async function start() {
  forgetSpans();
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const gate = Promise.withResolvers<void>();
  const runs: CallContext[] = [];
  const handlers = {
    work: (input: unknown) => input,
    async wait(input: unknown, context: CallContext) {
      runs.push(context);
      await gate.promise;
      return input;
    },
  };
  const listen = () =>
    RpcServer.listen(broker.url, {
      queue: "math",
      handlers,
      interceptors: [instrumentRequests("math")],
      idempotency: { scope: "queue" },
      log: false,
    });
  const server = stack.use(await listen());
  const connect = (options: Partial<RpcClientOptions> = {}) =>
    RpcClient.connect(broker.url, {
      queue: "math",
      interceptors: [instrumentCalls()],
      log: false,
      ...options,
    });
  const client = stack.use(await connect());
  const owned = stack.move();
  return {
    broker,
    server,
    listen,
    client,
    connect,
    gate,
    runs,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function serverSpans(spans: readonly ReadableSpan[]): readonly ReadableSpan[] {
  return spans.filter(({ name, kind }) => name.startsWith("math/") && kind === 1);
}

function isReused({ attributes }: ReadableSpan): boolean {
  return attributes["warren.reused"] === true;
}

/** Two requests of one key: one was run, and the span of the other is linked to it. */
function assertOneRun(spans: readonly ReadableSpan[]): void {
  const requests = serverSpans(spans);
  const run = requests.find((span) => !isReused(span));
  const reused = requests.find(isReused);
  assertEquals(requests.length, 2);
  assert(run !== undefined && reused !== undefined, "no reply was used again");
  assertEquals(run.links, []);
  assertEquals(reused.links.map(({ context }) => context.spanId), [run.spanContext().spanId]);
  assertEquals(reused.attributes["rpc.status_code"], "OK");
}

Deno.test("A reply that was kept has a link to the run that it is of", async () => {
  await using scene = await start();
  const options = { idempotencyKey: "1" };
  for (let n = 0; n < 2; n++) assertEquals(await scene.client.call("work", 1, options), 1);
  assertOneRun(await spanList(4));
});

Deno.test("A request that joins a run has a link to it", async () => {
  await using scene = await start();
  const options = { idempotencyKey: "1" };
  const first = scene.client.call("wait", 1, options);
  await eventually(() => assertEquals(scene.runs.length, 1));
  const second = scene.client.call("wait", 1, options);
  await eventually(() => assertEquals(scene.server.stats().active, 2));
  scene.gate.resolve();
  assertEquals(await Promise.all([first, second]), [1, 1]);
  assertOneRun(await spanList(4));
});

Deno.test("A request that was parked begins a trace of its own, with a link to its call", async () => {
  await using scene = await start();
  await using amqp = await AmqplibClient.open(scene.broker.url);
  await amqp.channel.assertQueue("math.parked", { durable: true });
  const properties = { type: "work", contentType: "application/json" };
  amqp.channel.sendToQueue("math.parked", Buffer.from("1"), {
    ...properties,
    headers: { traceparent: FOREIGN, baggage: "tenant=blue" },
  });
  await amqp.channel.waitForConfirms();
  await using parked = await ParkedRequests.open(scene.broker.url, { queue: "math" });
  assertEquals((await parked.redrive("all")).redriven, 1);
  const [span] = await spanList(1);
  assertEquals(span?.name, "process math");
  assertEquals(span?.parentSpanContext, undefined);
  assert(span?.spanContext().traceId !== "0123456789abcdef0123456789abcdef");
  assertEquals(span?.links.map(({ context }) => context.spanId), ["0123456789abcdef"]);
});

const DURABLE = { replyQueue: { name: "billing" }, callbackKeys: ["a secret of these tests"] };

Deno.test("A callback by name is below what was active at its call", async () => {
  await using scene = await start();
  await using client = await scene.connect(DURABLE);
  client.registerCallback("save", instrumentCallback("math", () => {}));
  trace.getTracer("test").startActiveSpan("outside", (span) => {
    client.callAsync("work", 1, "save");
    span.end();
  });
  const spans = await spansOf(4);
  assertChild(spans["CONSUMER process math"], spans["INTERNAL outside"]);
});

Deno.test("A callback by name after a restart has a link to its call", async () => {
  await using scene = await start();
  {
    await using client = await scene.connect(DURABLE);
    client.registerCallback("save", () => {});
    client.callAsync("wait", 1, "save");
    await eventually(() => assertEquals(scene.runs.length, 1));
  }
  scene.gate.resolve();
  await using client = await scene.connect(DURABLE);
  client.registerCallback("save", instrumentCallback("math", () => {}));
  const spans = await spansOf(3);
  assertEquals(spans["CONSUMER process math"]?.attributes["rpc.method"], "math/wait");
  assertLinked(spans["CONSUMER process math"], spans["CLIENT math/wait"]);
});

Deno.test("A callback by name that throws is an ERROR, and so is told as before", async () => {
  await using scene = await start();
  const failed = Promise.withResolvers<unknown>();
  await using client = await scene.connect({
    ...DURABLE,
    onEvent: (event) => event.type === "callback-failed" && failed.reject(event.error),
  });
  const callback = instrumentCallback("math", () => {
    throw new Error("as asked");
  });
  client.registerCallback("save", callback);
  client.callAsync("work", 1, "save");
  await assertRejects(() => failed.promise, Error, "as asked");
  const spans = await spansOf(3);
  assertEquals(spans["CONSUMER process math"]?.status.code, 2);
});

Deno.test("A request that goes again is told by an event of its call's span", async () => {
  await using scene = await start();
  const again = Promise.withResolvers<void>();
  let connections = 0;
  await using caller = await scene.connect({
    onEvent: ({ type }) => type === "connected" && ++connections === 2 && again.resolve(),
  });
  const call = caller.call("wait", 1);
  await eventually(() => assertEquals(scene.runs.length, 1));
  scene.broker.resetConnections(scene.broker.connections().at(-1)?.number);
  await again.promise;
  await eventually(() => assertEquals(scene.server.stats().active, 2));
  scene.gate.resolve();
  assertEquals(await call, 1);
  await eventually(async () => {
    const spans = await spanList(3);
    const client = spans.find(({ name, kind }) => name === "math/wait" && kind === 2);
    const events = client?.events.map(({ name, attributes }) => [name, attributes]);
    assertEquals(events, [["retry", { "warren.attempt": 2 }]]);
    for (const span of serverSpans(spans)) assertChild(span, client);
  });
});
