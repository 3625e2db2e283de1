import { RpcClient, RpcError } from "../../mod.ts";
import { assert, assertEquals, assertLess, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

Deno.test("An immediate call is answered soon though others wait before it", async () => {
  const gate = Promise.withResolvers<string>();
  const handlers = { wait: () => gate.promise };
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  const { client, server } = pair;
  const others = [client.call("wait"), client.call("wait")];
  await using peer = await AmqpPeer.open();
  await eventually(async () => assertEquals(await peer.countMessages(pair.queue), 1));
  const start = performance.now();
  const options = { immediate: true, timeoutMs: 60_000 };
  const call = () => client.call("wait", 0, options);
  const { code, retryable } = await assertRejects(call, RpcError);
  assertEquals([code, retryable], ["no-capacity", true]);
  assertLess(performance.now() - start, 10_000);
  gate.resolve("done");
  assertEquals(await Promise.all(others), ["done", "done"]);
  // What was given up is not run when its turn comes.
  await eventually(() => assertEquals(server.stats().succeeded, 2));
});

Deno.test("An immediate call that a server has taken runs for as long as it takes", async () => {
  const gate = Promise.withResolvers<string>();
  const handlers = { wait: () => gate.promise };
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  const taken = pair.client.call("wait", 0, { immediate: true });
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  // Others that wait behind it change nothing.
  const others = [pair.client.call("wait"), pair.client.call("wait")];
  const first = await Promise.race([taken, new Promise((resolve) => setTimeout(resolve, 1_500))]);
  assertEquals(first, undefined);
  gate.resolve("done");
  assertEquals(await Promise.all([taken, ...others]), ["done", "done", "done"]);
});

Deno.test("An immediate call waits for a server that does not say that it has taken it", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const call = client.call("work", 1, { immediate: true });
  const { properties } = await nextOf(requests);
  assertEquals(properties.headers?.["rpc-taken"], true);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await peer.send(properties.replyTo, "2", { correlationId: properties.correlationId });
  assertEquals(await call, 2);
});

Deno.test("An immediate call on an idle server is no slower than others", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const start = performance.now();
  for (let n = 0; n < 20; n++) {
    assertEquals(await pair.client.call("echo", n, { immediate: true }), n);
  }
  assert(performance.now() - start < 20 * 500);
});
