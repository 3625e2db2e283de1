import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { currentCall } from "../../current_call.ts";
import {
  type CallContext,
  type MessageHeaders,
  type ReplyDetails,
  RpcClient,
  RpcServer,
} from "../../mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { startPair } from "../helpers/pair.ts";
import { languageTest, runTutorialClient, startTutorialServer } from "../helpers/tutorial.ts";

const WORKER = new URL("../fixtures/workers/headers_worker.ts", import.meta.url);
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;

/** Keeps what replies say. */
function replies(): { readonly headers: MessageHeaders[]; onReply(reply: ReplyDetails): void } {
  const headers: MessageHeaders[] = [];
  return { headers, onReply: (reply) => headers.push(reply.headers) };
}

Deno.test("Headers reach a handler, and those that it sets come back", async () => {
  await using pair = await startPair({
    echo: (_input, context: CallContext) => {
      context.setReplyHeader("cost", 1.5);
      context.setReplyHeader("cost", 2);
      return context.headers;
    },
    fail: (_input, context: CallContext) => {
      context.setReplyHeader("cost", 3);
      throw new Error("as asked");
    },
    items: function* (_input, context: CallContext) {
      yield context.headers;
      context.setReplyHeader("cost", 4);
    },
  });
  const sent = { tenant: "acme ✓", attempt: -3, ratio: 0.5, debug: true };
  const { headers, onReply } = replies();
  const options = { headers: sent, onReply };
  assertEquals(await pair.client.call("echo", null, options), sent);
  assertEquals(await pair.client.call("echo", null), {});
  await assertRejects(() => pair.client.call("fail", null, options), Error, "as asked");
  assertEquals(await Array.fromAsync(pair.client.stream("items", null, options)), [sent]);
  assertEquals(await pair.client.callAll([["echo", null]], { headers: sent }), [sent]);
  assertEquals(headers, [{ cost: 2 }, { cost: 3 }, { cost: 4 }]);
});

Deno.test("An answer that is used again has the headers of the first one", async () => {
  await using pair = await startPair({
    count: (_input, context: CallContext) =>
      context.setReplyHeader("run", context.headers.run ?? ""),
  });
  const { headers, onReply } = replies();
  const idempotencyKey = crypto.randomUUID();
  for (const run of [1, 2]) {
    await pair.client.call("count", null, { idempotencyKey, headers: { run }, onReply });
  }
  assertEquals(headers, [{ run: 1 }, { run: 1 }]);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`Headers reach a handler in a ${isolation}, and come back`, async () => {
    await using pool = await WorkerPool.open(WORKER, { maxWorkers: 1, isolation });
    await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
    const { headers, onReply } = replies();
    const sent = { tenant: "acme", traceparent: TRACEPARENT };
    const options = { headers: sent, onReply };
    const output = await pair.client.call("headers", null, options) as {
      readonly call: Record<string, unknown>;
    };
    const { correlationId, deadline, ...call } = output.call;
    assertEquals([typeof correlationId, typeof deadline], ["string", "number"]);
    const trace = { traceId: TRACE_ID, spanId: SPAN_ID, isSampled: true };
    assertEquals(call, { procedure: "headers", headers: sent, trace });
    await assertRejects(() => pair.client.call("fail", null, options), Error, "as asked");
    assertEquals(await Array.fromAsync(pair.client.stream("items", null, options)), [sent]);
    await assertRejects(() => pair.client.call("misuse", null), Error, '"x-delay" is not yours');
    assertEquals(headers, [{ "served-by": "a worker" }, { "retry-in": 5 }, { items: 1 }]);
  });
}

Deno.test("currentCall() is of the handler that led there, among many at a time", async () => {
  await using pair = await startPair({
    ids: async (_input, context: CallContext) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return [context.correlationId, currentCall()?.correlationId, currentCall()?.procedure];
    },
  });
  const outputs = await Promise.all(
    Array.from({ length: 20 }, () => pair.client.call("ids", null)),
  ) as [string, string, string][];
  assertEquals(new Set(outputs.map(([id]) => id)).size, 20);
  for (const [id, found, name] of outputs) assertEquals([found, name], [id, "ids"]);
  assertEquals(currentCall(), undefined);
});

Deno.test("forwardHeaders: a call inherits headers of the request that it is made for", async () => {
  await using inner = await startPair({
    echo: (_input, context: CallContext) => context.headers,
  }, { client: { forwardHeaders: ["tenant", "traceparent", "absent"] } });
  await using outer = await startPair({
    plain: () => inner.client.call("echo", null),
    own: () => inner.client.call("echo", null, { headers: { tenant: "mine" } }),
  });
  const headers = { tenant: "acme", traceparent: TRACEPARENT, secret: "stays here" };
  const forwarded = { tenant: "acme", traceparent: TRACEPARENT };
  assertEquals(await outer.client.call("plain", null, { headers }), forwarded);
  assertEquals(await outer.client.call("own", null, { headers }), {
    ...forwarded,
    tenant: "mine",
  });
  assertEquals(await outer.client.call("plain", null), {});
  assertEquals(await inner.client.call("echo", null), {});
});

Deno.test("48 KiB of headers travel both ways, and one byte more does not leave", async () => {
  await using pair = await startPair({
    echo: (_input, context: CallContext) => {
      for (const [name, value] of Object.entries(context.headers)) {
        context.setReplyHeader(name, value);
      }
    },
  });
  const { headers, onReply } = replies();
  const longest = { ab: "é".repeat((48 * 1_024 - 8) / 2) };
  await pair.client.call("echo", null, { headers: longest, onReply });
  assertEquals(headers, [longest]);
  await assertRejects(
    () => pair.client.call("echo", null, { headers: { ab: `${longest.ab}x` } }),
    RangeError,
    "Cannot call as the headers take 49153 bytes: the limit is 49152",
  );
});

Deno.test("onReply: what it throws is told, and the call goes on", async () => {
  await using pair = await startPair({ echo: (input) => input });
  const onReply = () => {
    throw new Error("by onReply");
  };
  assertEquals(await pair.client.call("echo", 1, { onReply }), 1);
  const failures = pair.clientEvents.filter(({ type }) => type === "callback-failed");
  assertEquals(failures.length, 1);
});

languageTest("python", "A pika client sends and reads headers", async () => {
  const queue = randomQueue();
  await using _server = await RpcServer.listen(brokerUrl(), {
    queue,
    handlers: {
      echo: (_input: unknown, context: CallContext) => {
        context.setReplyHeader("served-by", "warren");
        return context.headers;
      },
    },
  });
  const printed = await runTutorialClient("python", [brokerUrl(), queue], "headers_client");
  assertEquals(JSON.parse(printed), {
    headers: { "served-by": "warren" },
    // A list, and a name of the broker's, are none that we could send.
    output: { tenant: "acme", attempt: 3, debug: true },
  });
  await deleteQueue(queue);
});

languageTest("python", "A pika server reads and sends headers", async () => {
  const queue = randomQueue();
  await using _server = await startTutorialServer("python", [brokerUrl(), queue], "headers_server");
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const { headers, onReply } = replies();
  const sent = { tenant: "acme", attempt: 3 };
  assertEquals(await client.call("any", null, { headers: sent, onReply }), sent);
  assertEquals(headers, [{ "served-by": "pika", cost: 2 }]);
  await deleteQueue(queue);
});
