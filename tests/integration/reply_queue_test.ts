import { RpcClient, RpcError, RpcServer, type RpcServerEvent, RpcTimeoutError } from "../../mod.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";

const DIRECT = { client: { replyQueue: "direct" } } as const;

const handlers = {
  echo: (value: unknown) => value,
  fail() {
    throw new RpcError("planned", "Cannot");
  },
  hang(_: unknown, { signal }: { readonly signal: AbortSignal }) {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    return promise;
  },
};

Deno.test("A client with direct reply-to gets outputs and errors", async () => {
  await using pair = await startPair(handlers, DIRECT);
  const inputs = Array.from({ length: 100 }, (_, n) => n);
  const outputs = await Promise.all(inputs.map((n) => pair.client.call("echo", n)));
  assertEquals(outputs, inputs);
  assertEquals((await assertRejects(() => pair.client.call("fail"), RpcError)).code, "planned");
  assertEquals(pair.clientEvents.map(({ type }) => type), ["connected"]);
});

Deno.test("A client with direct reply-to uses the pseudo-queue", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue, replyQueue: "direct" });
  const call = client.call("add", 1);
  const { replyTo, correlationId } = (await nextOf(requests)).properties;
  assertMatch(replyTo, /^amq\.rabbitmq\.reply-to\./);
  await peer.send(replyTo, "2", { correlationId });
  assertEquals(await call, 2);
});

Deno.test("A client with direct reply-to can cancel a call", async () => {
  await using pair = await startPair(handlers, DIRECT);
  const controller = new AbortController();
  const call = assertRejects(() => pair.client.call("hang", 1, controller), Error, "enough");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  controller.abort(new Error("enough"));
  await call;
  await eventually(() => assertEquals(pair.server.stats().cancelled, 1));
});

Deno.test("A client with direct reply-to publishes again when cut off", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  const gate = Promise.withResolvers<string>();
  await using pair = await startPair({ wait: () => gate.promise });
  const options = { queue: pair.queue, replyQueue: "direct" } as const;
  await using client = await RpcClient.connect(proxy.url, options);
  const call = client.call("wait");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  proxy.cut();
  await eventually(() => assertEquals(pair.server.stats().reused, 1));
  gate.resolve("done");
  assertEquals(await call, "done");
});

Deno.test("A server of a queue without returns says so and serves", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue(undefined, {
    durable: true,
    arguments: { "x-queue-type": "quorum" },
  });
  const events: RpcServerEvent[] = [];
  await using _server = await RpcServer.listen(brokerUrl(), {
    queue,
    handlers,
    onEvent: (event) => events.push(event),
  });
  const missing = events.find(({ type }) => type === "returns-unavailable");
  assert(missing?.type === "returns-unavailable" && missing.error instanceof Error);
  assertMatch(missing.error.message, /without "x-dead-letter-exchange"/);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  assertEquals(await client.call("echo", 1), 1);
});

Deno.test("A call on a queue without returns has its deadline as reason", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const call = () => client.call("echo", 1, { immediate: true, timeoutMs: 50 });
  const error = await assertRejects(call, RpcTimeoutError);
  assertEquals(error.call?.phase, "queued");
});

Deno.test("A durable reply queue may live as long as the option allows", async () => {
  await using peer = await AmqpPeer.open();
  const name = randomQueue();
  const replyQueue = { name, expiresMs: 2 ** 32 - 1 };
  const client = await RpcClient.connect(brokerUrl(), { queue: name, replyQueue });
  await client.close();
  assertEquals(await peer.countMessages(`rpc.replies.${name}`), 0);
  await peer.deleteQueue(`rpc.replies.${name}`);
});
