import { RpcClient, type RpcClientEvent, RpcError, RpcServer, RpcTimeoutError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
} from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";

const echo = { echo: (value: unknown) => value };

function countOf(events: readonly { readonly type: string }[], type: string): number {
  return events.filter((event) => event.type === type).length;
}

Deno.test("RpcClient heals a connection that is cut and tells so", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using pair = await startPair(echo, { url: proxy.url });
  for (const round of [1, 2, 3]) {
    proxy.cut();
    await eventually(() => assertEquals(countOf(pair.clientEvents, "disconnected"), round));
    assertEquals(await pair.client.call("echo", round), round);
  }
  const types = pair.clientEvents.map(({ type }) => type);
  assertEquals(types.slice(0, 4), ["connected", "disconnected", "reconnecting", "connected"]);
});

Deno.test("RpcClient.call() outlives a cut connection while it waits", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(proxy.url, { queue });
  const call = client.call("add", 1);
  const first = (await nextOf(requests)).properties;
  proxy.cut();
  const { replyTo, correlationId, headers } = (await nextOf(requests)).properties;
  await peer.send(replyTo, "7", { correlationId });
  assertEquals(await call, 7);
  assertEquals([correlationId, headers?.["rpc-attempt"]], [first.correlationId, 1]);
  assert(replyTo !== first.replyTo);
});

Deno.test("RpcClient.call() is not repeated if it is not idempotent", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(proxy.url, { queue });
  const options = { idempotent: false };
  const call = assertRejects(() => client.call("pay", 1, options), RpcError, "what became");
  await nextOf(requests);
  proxy.cut();
  assertEquals((await call).code, "disconnected");
  await client.notify("marker");
  assertEquals((await nextOf(requests)).properties.type, "marker");
});

Deno.test("RpcClient.call() made without a connection waits for one", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using pair = await startPair(echo, { url: proxy.url });
  proxy.block();
  await eventually(() => assertEquals(countOf(pair.clientEvents, "reconnecting"), 1));
  const calls = [pair.client.call("echo", 1), pair.client.call("echo", 2, { idempotent: false })];
  const notified = pair.client.notify("echo", 3);
  proxy.restore();
  assertEquals(await Promise.all(calls), [1, 2]);
  await notified;
});

Deno.test("RpcClient.call() keeps its deadline without a connection", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using pair = await startPair(echo, { url: proxy.url });
  proxy.block();
  await eventually(() => assertEquals(countOf(pair.clientEvents, "disconnected"), 1));
  const options = { timeoutMs: 30 };
  await assertRejects(() => pair.client.call("echo", 1, options), RpcTimeoutError);
  await assertRejects(() => pair.client.notify("echo", 1, options), RpcTimeoutError);
  assertEquals(pair.client.pending, 0);
  proxy.restore();
});

Deno.test("RpcClient.close() does not wait for a broker that is gone", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using pair = await startPair(echo, { url: proxy.url });
  proxy.block();
  await eventually(() => assertEquals(countOf(pair.clientEvents, "reconnecting"), 1));
  const call = assertRejects(() => pair.client.call("echo", 1), RpcError);
  await pair.client.close({ graceMs: 0 });
  assertEquals((await call).code, "closed");
  await pair.server.close();
  proxy.restore();
});

Deno.test("RpcClient.connect() gives up a broker that opens no channel", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  proxy.mute();
  const options = { queue: "none", connectTimeoutMs: 100 };
  const error = await assertRejects(() => RpcClient.connect(proxy.url, options), RpcError);
  assertEquals([error.code, error.retryable], ["unreachable", true]);
});

Deno.test("RpcClient heals although the broker opens no channel for a while", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  const limit = { connectTimeoutMs: 200 };
  await using pair = await startPair(echo, { url: proxy.url, client: limit, server: limit });
  proxy.mute();
  proxy.cut();
  await eventually(() => assertGreater(countOf(pair.clientEvents, "reconnecting"), 1));
  proxy.restore();
  assertEquals(await pair.client.call("echo", 1), 1);
});

Deno.test("RpcClient does not give up while one node of several may come back", async () => {
  await using pair = await startPair(echo);
  await using spare = FaultProxy.start(brokerUrl());
  const first = FaultProxy.start(brokerUrl());
  const { hostname, port } = new URL(first.url);
  const events: RpcClientEvent[] = [];
  await using client = await RpcClient.connect([first.url, spare.url], {
    queue: pair.queue,
    nodeOrder: "given",
    onEvent: (event) => events.push(event),
  });
  spare.block();
  await first[Symbol.asyncDispose]();
  await using _stranger = Deno.serve(
    { hostname, port: Number(port), onListen() {} },
    () => new Response(),
  );
  await eventually(() => assertGreater(countOf(events, "reconnecting"), 2));
  spare.restore();
  assertEquals(await client.call("echo", 1), 1);
  assertEquals(countOf(events, "failed"), 0);
});

Deno.test("RpcClient publishes all calls of a full window again", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using pair = await startPair(echo, { server: { prefetch: 100 } });
  await using client = await RpcClient.connect(proxy.url, { queue: pair.queue });
  proxy.mute();
  const inputs = Array.from({ length: 2_000 }, (_, n) => n);
  const calls = Promise.all(inputs.map((n) => client.call("echo", n)));
  proxy.restore();
  proxy.cut();
  assertEquals(await calls, inputs);
});

Deno.test("RpcClient keeps what it never sent, idempotent or not", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using pair = await startPair(echo, { server: { prefetch: 100 } });
  await using client = await RpcClient.connect(proxy.url, { queue: pair.queue });
  proxy.mute();
  const calls = Promise.allSettled(
    Array.from({ length: 2_000 }, (_, n) => client.call("echo", n, { idempotent: false })),
  );
  proxy.restore();
  proxy.cut();
  const counts: Record<string, number> = {};
  for (const result of await calls) {
    const outcome = result.status === "fulfilled" ? "output" : `${result.reason.code}`;
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  assertEquals(counts, { disconnected: 500, output: 1_500 });
});

Deno.test("RpcServer replies to what it had in hand when it was cut off", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  const gate = Promise.withResolvers<string>();
  let runs = 0;
  const handlers = {
    wait() {
      runs++;
      return gate.promise;
    },
  };
  await using pair = await startPair(handlers);
  await pair.server.close();
  const { queue } = pair;
  await using server = await RpcServer.listen(proxy.url, { log: false, queue, handlers });
  const call = pair.client.call("wait");
  await eventually(() => assertEquals(runs, 1));
  proxy.cut();
  await eventually(() => assertEquals(server.stats().reused, 1));
  gate.resolve("done");
  assertEquals(await call, "done");
  await eventually(() => assertEquals(server.stats().active, 0));
  assertEquals(runs, 1);
  assertEquals(pair.client.stats().unknownReplies, 0);
});

Deno.test("RpcServer.close() consumes no more once it has been cut off", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  const gate = Promise.withResolvers<void>();
  await using pair = await startPair({ wait: () => gate.promise }, { url: proxy.url });
  using _opened = { [Symbol.dispose]: () => gate.resolve() };
  const attempts = (connection: string) =>
    pair.serverEvents.filter((event) =>
      event.type === "reconnecting" && event.connection === connection
    ).length;
  await pair.client.notify("wait");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  proxy.block();
  await eventually(() => assertEquals(attempts("consumer"), 1));
  const closing = pair.server.close();
  await eventually(() => assertEquals(attempts("publisher"), 3));
  assertLess(attempts("consumer"), 2);
  gate.resolve();
  await closing;
  proxy.restore();
});
