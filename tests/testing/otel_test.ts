import { assert, assertEquals, assertRejects, assertThrows } from "../../deps/std_assert.ts";
import {
  context,
  propagation,
  SpanKind,
  type TextMapPropagator,
  trace,
} from "../../deps/opentelemetry_api.ts";
import {
  instrumentCalls,
  instrumentHandler,
  instrumentRequests,
  type InstrumentRequestsOptions,
} from "../../extras/otel/mod.ts";
import {
  type CallContext,
  type MessageHeaders,
  RpcClient,
  RpcError,
  RpcServer,
} from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { assertChild, forgetSpans, keepSpans, spanList, spansOf } from "../helpers/kept_spans.ts";

/** One whose header is none that a user may set. */
const b3: TextMapPropagator = {
  fields: () => ["x-b3-traceid"],
  inject: (_context, carrier, setter) => setter.set(carrier, "x-b3-traceid", "1"),
  extract: (context) => context,
};
keepSpans(b3);
const tracer = trace.getTracer("test");
const WORKER = new URL("../fixtures/workers/traced_worker.ts", import.meta.url);
const FOREIGN = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";

const seen: MessageHeaders[] = [];
const handlers = {
  add([a, b]: [number, number], { headers }: CallContext) {
    seen.push(headers);
    tracer.startSpan("inside").end();
    return a + b;
  },
  fail: () => {
    throw new Error("as asked");
  },
  refuse: () => {
    throw new RpcError("invalid-input", "as asked");
  },
  *count() {
    yield* [1, 2, 3];
  },
  note: () => {},
};

/** A server and a client whose spans are kept. */
async function start(options?: InstrumentRequestsOptions) {
  forgetSpans();
  seen.length = 0;
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const interceptors = [instrumentRequests("math", options)];
  const server = { queue: "math", handlers, interceptors, log: false };
  stack.use(await RpcServer.listen(broker.url, server));
  const plain = stack.use(await RpcClient.connect(broker.url, { queue: "math" }));
  const traced = { queue: "math", interceptors: [instrumentCalls()] };
  const client = stack.use(await RpcClient.connect(broker.url, traced));
  const owned = stack.move();
  return { url: broker.url, client, plain, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("A call is one tree: who calls, CLIENT, SERVER, and what is inside", async () => {
  await using scene = await start();
  await tracer.startActiveSpan("outside", async (span) => {
    assertEquals(await scene.client.call("add", [1, 2]), 3);
    span.end();
  });
  const spans = await spansOf(4);
  const [client, server] = [spans["CLIENT math/add"], spans["SERVER math/add"]];
  assertEquals(spans["INTERNAL outside"]?.parentSpanContext, undefined);
  assertChild(client, spans["INTERNAL outside"]);
  assertChild(server, client);
  assertChild(spans["INTERNAL inside"], server);
  for (const span of [client, server]) {
    const { attributes, status, instrumentationScope } = span ?? {};
    assertEquals(attributes?.["rpc.system.name"], "warren");
    assertEquals(attributes?.["rpc.method"], "math/add");
    assertEquals(attributes?.["rpc.status_code"], "OK");
    assertEquals(attributes?.["error.type"], undefined);
    assertEquals(attributes?.["messaging.destination.name"], "math");
    assertEquals(status?.code, 0);
    assertEquals(instrumentationScope?.name, "@warren/rpc");
    assertEquals(instrumentationScope?.schemaUrl, "https://opentelemetry.io/schemas/1.44.0");
  }
  assertEquals(server?.attributes["warren.attempt"], 1);
  assertEquals(
    server?.attributes["messaging.message.conversation_id"],
    client?.attributes["messaging.message.conversation_id"],
  );
  // What the handler is told is the span of its request: currentCall() and workers have it from there.
  assertEquals(`${seen[0]?.traceparent}`.split("-")[2], server?.spanContext().spanId);
});

Deno.test("Baggage and the headers of the user's reach the handler", async () => {
  await using scene = await start();
  const baggage = propagation.createBaggage({ tenant: { value: "blue" } });
  await context.with(propagation.setBaggage(context.active(), baggage), async () => {
    await scene.client.call("add", [1, 2], { headers: { language: "fr" } });
  });
  assertEquals([seen[0]?.baggage, seen[0]?.language], ["tenant=blue", "fr"]);
});

Deno.test("A failure of a handler is an ERROR on both sides, a wrong input one of the caller", async () => {
  await using scene = await start();
  await assertRejects(() => scene.client.call("fail", 0), RpcError);
  await assertRejects(() => scene.client.call("refuse", 0), RpcError);
  const spans = await spansOf(4);
  const told = Object.entries(spans).map(([name, { status, attributes }]) => {
    return [name, status.code, attributes["rpc.status_code"], attributes["error.type"]];
  });
  assertEquals(told.toSorted(), [
    ["CLIENT math/fail", 2, "handler-error", "handler-error"],
    ["CLIENT math/refuse", 2, "invalid-input", "invalid-input"],
    ["SERVER math/fail", 2, "handler-error", "handler-error"],
    ["SERVER math/refuse", 0, "invalid-input", "invalid-input"],
  ]);
  assertEquals(spans["CLIENT math/fail"]?.attributes["warren.phase"], "replied");
});

Deno.test("A procedure that a server does not have is _OTHER in the name of its span", async () => {
  await using scene = await start();
  await assertRejects(() => scene.plain.call("nothing", 0), RpcError);
  const span = (await spansOf(1))["SERVER math/_OTHER"];
  assertEquals(span?.attributes["rpc.method"], "math/_OTHER");
  assertEquals(span?.attributes["rpc.method_original"], "nothing");
  assertEquals(span?.status.code, 0);
});

Deno.test("A notification is sent and processed, in one trace", async () => {
  await using scene = await start();
  await scene.client.notify("note", 0);
  const spans = await spansOf(2);
  assertChild(spans["CONSUMER process math"], spans["PRODUCER send math"]);
  assertEquals(spans["PRODUCER send math"]?.attributes["rpc.method"], "math/note");
});

Deno.test("A stream is one span on each side, up to its end", async () => {
  await using scene = await start();
  assertEquals(await Array.fromAsync(scene.client.stream("count")), [1, 2, 3]);
  const spans = await spansOf(2);
  assertChild(spans["SERVER math/count"], spans["CLIENT math/count"]);
});

Deno.test("A stream of a worker file is a span up to its end, with what it does below", async () => {
  await using scene = await start();
  async function* lines(count: number) {
    for (let n = 0; n < count; n++) {
      tracer.startSpan("line").end();
      yield await Promise.resolve(n);
    }
    if (count > 2) throw new Error("as asked");
  }
  await using _server = await RpcServer.listen(scene.url, {
    queue: "lines",
    handlers: { lines: instrumentHandler(lines) },
    interceptors: [instrumentRequests("lines")],
    log: false,
  });
  await using client = await RpcClient.connect(scene.url, { queue: "lines" });
  assertEquals(await Array.fromAsync(client.stream("lines", 1)), [0]);
  let spans = await spansOf(3);
  assertChild(spans["INTERNAL run lines"], spans["SERVER lines/lines"]);
  assertChild(spans["INTERNAL line"], spans["INTERNAL run lines"]);
  forgetSpans();
  await assertRejects(() => Array.fromAsync(client.stream("lines", 3)), RpcError, "as asked");
  spans = await spansOf(5);
  assertEquals(spans["INTERNAL run lines"]?.status.code, 2);
  forgetSpans();
  await assertRejects(() => client.call("lines", 1), RpcError, "use stream()");
  assertEquals(Object.keys(await spansOf(2)).toSorted(), [
    "INTERNAL run lines",
    "SERVER lines/lines",
  ]);
});

Deno.test("What a handler calls is below its request, in one tree of two services", async () => {
  await using scene = await start();
  const interceptors = [instrumentRequests("front")];
  await using _front = await RpcServer.listen(scene.url, {
    queue: "front",
    handlers: { ask: () => scene.client.call("add", [1, 2]) },
    interceptors,
    log: false,
  });
  const options = { queue: "front", interceptors: [instrumentCalls()] };
  await using client = await RpcClient.connect(scene.url, options);
  assertEquals(await client.call("ask"), 3);
  const spans = await spansOf(5);
  assertEquals(spans["CLIENT front/ask"]?.parentSpanContext, undefined);
  assertChild(spans["SERVER front/ask"], spans["CLIENT front/ask"]);
  assertChild(spans["CLIENT math/add"], spans["SERVER front/ask"]);
  assertChild(spans["SERVER math/add"], spans["CLIENT math/add"]);
});

Deno.test("Each delivery of a request is a span of its own under its call", async () => {
  await using scene = await start();
  await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, startTimeoutMs: 60_000 });
  await using _server = await RpcServer.listen(scene.url, {
    queue: "deadly",
    handlers: pool.handlers(),
    interceptors: [instrumentRequests("deadly")],
    log: false,
  });
  const options = { queue: "deadly", interceptors: [instrumentCalls()] };
  await using client = await RpcClient.connect(scene.url, options);
  assertEquals(await client.call("dieOnce"), "alive");
  const spans = await spanList(3);
  const root = spans.find(({ kind }) => kind === SpanKind.CLIENT);
  const requests = spans.filter(({ kind }) => kind === SpanKind.SERVER);
  for (const request of requests) assertChild(request, root);
  const told = requests.map(({ attributes, status }) => {
    return [attributes["warren.attempt"], attributes["rpc.status_code"], status.code];
  });
  assertEquals(told.toSorted(), [[1, "worker-crashed", 2], [2, "OK", 0]]);
});

Deno.test("A header that a user may not set is not sent, and the call goes on", async () => {
  await using scene = await start();
  await scene.client.call("add", [1, 2]);
  assertEquals(Object.keys(seen[0] ?? {}), ["traceparent"]);
});

Deno.test("Headers that leave no room for a trace go without", async () => {
  await using scene = await start();
  const headers = { large: "x".repeat(48 * 1_024 - 20) };
  assertEquals(await scene.client.call("add", [1, 2], { headers }), 3);
  assertEquals(Object.keys(seen[0] ?? {}), ["large"]);
});

Deno.test("A request continues the trace that a program by other hands names", async () => {
  await using scene = await start();
  await scene.plain.call("add", [1, 2], { headers: { traceparent: FOREIGN, tracestate: "a=b" } });
  const span = (await spansOf(2))["SERVER math/add"];
  assertEquals(span?.spanContext().traceId, "0123456789abcdef0123456789abcdef");
  assertEquals(span?.parentSpanContext?.spanId, "0123456789abcdef");
  assertEquals(seen[0]?.tracestate, "a=b");
});

Deno.test("What is no trace begins a new one", async () => {
  await using scene = await start();
  const headers = { traceparent: 7, baggage: `a=${"x".repeat(9_000)}` };
  await scene.plain.call("add", [1, 2], { headers });
  const span = (await spansOf(2))["SERVER math/add"];
  assertEquals(span?.parentSpanContext, undefined);
  assertEquals(seen[0]?.baggage, undefined);
});

Deno.test("trustContext: false begins a trace of its own, with a link to the other", async () => {
  await using scene = await start({ trustContext: false });
  const headers = { traceparent: FOREIGN, tracestate: "a=b", baggage: "tenant=blue" };
  await scene.plain.call("add", [1, 2], { headers });
  const span = (await spansOf(2))["SERVER math/add"];
  assertEquals(span?.parentSpanContext, undefined);
  assert(span?.spanContext().traceId !== "0123456789abcdef0123456789abcdef");
  assertEquals(span?.links.map(({ context }) => context.spanId), ["0123456789abcdef"]);
  const { traceparent, tracestate, baggage } = seen[0] ?? {};
  assertEquals(`${traceparent}`.split("-")[2], span?.spanContext().spanId);
  assertEquals([tracestate, baggage], [undefined, undefined]);
});

Deno.test("instrumentRequests() wants the name of a queue, and options that there are", () => {
  assertThrows(() => instrumentRequests(""), TypeError, "queue");
  const options: object = { trustContext: "no" };
  assertThrows(() => instrumentRequests("math", options), TypeError, "trustContext");
});
