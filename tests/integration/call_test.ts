import { RpcClient, RpcError, RpcRemoteError, RpcTimeoutError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

Deno.test("RpcClient.call() resolves with what the handler returns", async () => {
  await using pair = await startPair({ add: ({ a, b }: { a: number; b: number }) => a + b });
  assertEquals(await pair.client.call("add", { a: 20, b: 22 }), 42);
  assertEquals(pair.client.pending, 0);
  await eventually(() => assertEquals(pair.server.stats().succeeded, 1));
});

Deno.test("RpcClient.call() carries values both ways unchanged", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const values = [undefined, null, "", "żółw 🐢", 2n ** 70n, 2 ** 53, [1, [true]], {
    a: { b: "" },
  }];
  for (const value of values) assertEquals(await pair.client.call("echo", value), value);
  assert(Object.is(await pair.client.call("echo", -0), -0));
});

Deno.test("RpcClient.call() matches replies to calls in any order", async () => {
  const gates = new Map<number, PromiseWithResolvers<void>>();
  const gateOf = (n: number) => gates.getOrInsertComputed(n, () => Promise.withResolvers<void>());
  await using pair = await startPair({ hold: (n: number) => gateOf(n).promise.then(() => n * n) });
  const order: number[] = [];
  const calls = [1, 2, 3].map(async (n) => {
    assertEquals(await pair.client.call("hold", n), n * n);
    order.push(n);
  });
  await eventually(() => assertEquals(gates.size, 3));
  for (const n of [3, 1, 2]) {
    gateOf(n).resolve();
    await eventually(() => assertEquals(order.at(-1), n));
  }
  await Promise.all(calls);
});

Deno.test("RpcClient.call() has many calls in flight on one connection", async () => {
  await using pair = await startPair({ echo: (n: number) => n }, { server: { prefetch: 100 } });
  const inputs = Array.from({ length: 500 }, (_, n) => n);
  const outputs = inputs.map((n) => pair.client.call("echo", n));
  assertEquals(pair.client.stats().pending, 500);
  assertEquals(await Promise.all(outputs), inputs);
  assertEquals(pair.client.pending, 0);
});

Deno.test("RpcClient.call() rejects with what the handler throws", async () => {
  class StockError extends Error {
    override name = "StockError";
    code = "out-of-stock";
    details = { left: 2n ** 64n };
    retryable = true;
  }
  await using pair = await startPair({
    order() {
      throw new StockError("Cannot order as none is left");
    },
  });
  const error = await assertRejects(() => pair.client.call("order"), RpcRemoteError);
  const { code, message, details, retryable, remoteName, remoteStack, procedure } = error;
  assertEquals({ code, message, details, retryable, remoteName, remoteStack, procedure }, {
    code: "out-of-stock",
    message: "Cannot order as none is left",
    details: { left: 2n ** 64n },
    retryable: true,
    remoteName: "StockError",
    remoteStack: undefined,
    procedure: "order",
  });
});

Deno.test("RpcClient.call() rejects when no reply arrives in time", async () => {
  await using pair = await startPair({ hang: () => new Promise(() => {}) });
  const error = await assertRejects(
    () => pair.client.call("hang", undefined, { timeoutMs: 20 }),
    RpcTimeoutError,
  );
  assertEquals([error.code, error.procedure, error.timeoutMs], ["timeout", "hang", 20]);
  assertEquals(pair.client.pending, 0);
  await pair.server.close({ graceMs: 0 });
});

Deno.test("RpcClient.call() takes its time limit from connect()", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  await using client = await RpcClient.connect(brokerUrl(), { queue, timeoutMs: 30 });
  const error = await assertRejects(() => client.call("nobody-serves-this"), RpcTimeoutError);
  assertEquals(error.timeoutMs, 30);
});

Deno.test("RpcClient.call() gives up at once when its signal aborts", async () => {
  await using pair = await startPair({ hang: () => new Promise(() => {}) });
  const controller = new AbortController();
  const { signal } = controller;
  const call = assertRejects(
    () => pair.client.call("hang", undefined, { signal }),
    Error,
    "enough",
  );
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  controller.abort(new Error("enough"));
  await call;
  assertEquals(pair.client.pending, 0);
  await pair.server.close({ graceMs: 0 });
});

Deno.test("RpcClient.call() publishes nothing if its signal is aborted", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const reason = { not: "even an Error" };
  const signal = AbortSignal.abort(reason);
  const call = pair.client.call("echo", 1, { signal });
  assertStrictEquals(await call.catch((thrown) => thrown), reason);
  assertEquals(await pair.client.call("echo", 2), 2);
  await eventually(() => assertEquals(pair.server.stats().succeeded, 1));
});

Deno.test("RpcClient.call() is unroutable at once without a queue", async () => {
  const queue = randomQueue();
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const error = await assertRejects(() => client.call("add", 1), RpcError, queue);
  assertEquals([error.code, error.retryable], ["unroutable", true]);
  assertStringIncludes(error.message, "start a server");
  assertEquals(client.pending, 0);
});

Deno.test("RpcClient.call() refuses what cannot be sent before it is sent", async () => {
  await using pair = await startPair({ echo: (v: unknown) => v }, { client: { maxBodyBytes: 64 } });
  const { client } = pair;
  const codeOf = (input: unknown) =>
    client.call("echo", input).then(() => "none", (error) => error.code);
  assertEquals(await codeOf({ at: new Date(0) }), "unencodable");
  assertEquals(await codeOf("x".repeat(100)), "too-large");
  await assertRejects(() => client.call("", 1), TypeError, '"procedure" must be');
  await assertRejects(() => client.call("é".repeat(128), 1), TypeError, "255 bytes");
  await assertRejects(() => client.call("echo", 1, { timeoutMs: 0 }), RangeError, "timeoutMs");
  await assertRejects(
    () => client.call("echo", 1, { timeoutMs: 2 ** 31 }),
    RangeError,
    "2147483647",
  );
  assertEquals([pair.client.pending, pair.server.stats().succeeded], [0, 0]);
});

Deno.test("RpcClient.call() sends the envelope that the protocol says", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const before = Date.now();
  const call = client.call("add", { a: 1 }, { timeoutMs: 5_000 });
  const { properties, content } = await nextOf(requests);
  const { correlationId, expiration, headers, replyTo } = properties;
  await peer.send(replyTo, "2", { correlationId });
  assertEquals(await call, 2);
  assertEquals(content.toString(), '{"a":1}');
  assertEquals(properties.type, "add");
  assertEquals(properties.contentType, "application/json");
  assertEquals(properties.deliveryMode, 2);
  assertEquals(correlationId[14], "7");
  assert(Number(expiration) > 0 && Number(expiration) <= 5_000);
  assert(headers?.["rpc-deadline"] >= before + 5_000);
  assertEquals(headers?.["rpc-attempt"], undefined);
});

Deno.test("RpcClient has one reply queue, which strangers cannot use", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const calls = Promise.allSettled([client.call("a"), client.call("b")]);
  const [first, second] = [await nextOf(requests), await nextOf(requests)];
  assertEquals(first.properties.replyTo, second.properties.replyTo);
  assertNotEquals(first.properties.correlationId, second.properties.correlationId);
  await using stranger = await AmqpPeer.open();
  await assertRejects(() => stranger.messages(first.properties.replyTo), Error, "RESOURCE_LOCKED");
  await client.close({ graceMs: 0 });
  assertEquals((await calls).map(({ status }) => status), ["rejected", "rejected"]);
});
