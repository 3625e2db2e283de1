import { RpcClient, RpcError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertRejects,
  assertStrictEquals,
} from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

Deno.test("RpcClient.notify() resolves when the broker has the request", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  assertEquals(await client.notify("log", "nobody listens yet"), undefined);
  assertEquals(await peer.countMessages(queue), 1);
  assertEquals(client.pending, 0);
});

Deno.test("RpcClient.notify() sends a request without reply queue or expiry", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  await client.notify("log", { line: 1 }, { timeoutMs: 5_000 });
  const { properties, content } = await nextOf(await peer.messages(queue));
  const { replyTo, expiration, type, deliveryMode, headers } = properties;
  assertEquals({ replyTo, expiration, type, deliveryMode, headers }, {
    replyTo: undefined,
    expiration: undefined,
    type: "log",
    deliveryMode: 2,
    headers: {},
  });
  assertEquals(content.toString(), '{"line":1}');
});

Deno.test("RpcServer runs a notification, then acknowledges it", async () => {
  const gate = Promise.withResolvers<void>();
  const lines: string[] = [];
  await using pair = await startPair({
    log: (line: string) => gate.promise.then(() => lines.push(line)),
  });
  await pair.client.notify("log", "hello");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  assertEquals(lines, []);
  gate.resolve();
  await eventually(() => assertEquals(pair.server.stats().active, 0));
  assertEquals([lines, pair.server.stats().succeeded], [["hello"], 1]);
  assert(
    pair.serverEvents.some((event) => event.type === "served" && event.outcome === "notified"),
  );
});

Deno.test("RpcServer acknowledges a notification whose handler throws", async () => {
  await using pair = await startPair({
    fail() {
      throw new Error("Cannot");
    },
  });
  await pair.client.notify("fail");
  await eventually(() => assertEquals(pair.server.stats().failed, 1));
  await pair.server.close();
  await using peer = await AmqpPeer.open();
  assertEquals(await peer.countMessages(pair.queue), 0);
});

Deno.test("RpcClient.notify() rejects if there is no queue", async () => {
  await using client = await RpcClient.connect(brokerUrl(), { queue: randomQueue() });
  const error = await assertRejects(() => client.notify("log", 1), RpcError);
  assertEquals([error.code, client.pending], ["unroutable", 0]);
});

Deno.test("RpcClient.notify() rejects with the reason of its signal", async () => {
  await using pair = await startPair({ log: () => {} });
  const reason = new Error("enough");
  const notify = pair.client.notify("log", 1, { signal: AbortSignal.abort(reason) });
  assertStrictEquals(await notify.catch((error) => error), reason);
  await pair.client.notify("log", 2);
  await eventually(() => assertEquals(pair.server.stats().succeeded, 1));
  assertFalse(pair.serverEvents.some(({ type }) => type === "unserved"));
});
