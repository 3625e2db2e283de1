import { RpcServer } from "../../mod.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

Deno.test("RpcServer shares the load with the others on its queue", async () => {
  const served = [0, 0, 0];
  const handlerOf = (server: number) => ({ who: () => served[server] = (served[server] ?? 0) + 1 });
  await using pair = await startPair(handlerOf(0), { server: { prefetch: 1 } });
  const { url, queue } = pair;
  const options = { queue, prefetch: 1 };
  await using _second = await RpcServer.listen(url, { ...options, handlers: handlerOf(1) });
  await using _third = await RpcServer.listen(url, { ...options, handlers: handlerOf(2) });
  await Promise.all(Array.from({ length: 60 }, () => pair.client.call("who")));
  assertEquals(served.reduce((sum, count) => sum + count, 0), 60);
  for (const count of served) assert(count > 0, `One server served nothing: ${served}`);
});

Deno.test("RpcServer gives way while it is busy with prefetch requests", async () => {
  const gate = Promise.withResolvers<string>();
  const options = { server: { prefetch: 1 } };
  await using pair = await startPair({ wait: () => gate.promise }, options);
  const slow = pair.client.call("wait");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  const handlers = { wait: () => "other" };
  await using _other = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers,
  });
  const fast = Array.from({ length: 20 }, () => pair.client.call("wait"));
  assertEquals(new Set(await Promise.all(fast)), new Set(["other"]));
  gate.resolve("first");
  assertEquals(await slow, "first");
});

Deno.test("RpcServer has never more than prefetch requests in hand", async () => {
  const gate = Promise.withResolvers<void>();
  let most = 0;
  await using pair = await startPair({
    wait() {
      most = Math.max(most, pair.server.stats().active);
      return gate.promise;
    },
  }, { server: { prefetch: 3 } });
  const calls = Array.from({ length: 10 }, () => pair.client.call("wait"));
  await eventually(() => assertEquals(pair.server.stats().active, 3));
  gate.resolve();
  await Promise.all(calls);
  assertEquals(most, 3);
});

Deno.test("RpcServer holds no more requests than prefetch while it waits", async () => {
  const gate = Promise.withResolvers<void>();
  await using pair = await startPair({ wait: () => gate.promise }, { server: { prefetch: 2 } });
  const calls = Array.from({ length: 6 }, () => pair.client.call("wait"));
  await eventually(() => assertEquals(pair.server.stats().active, 2));
  const handlers = { wait: () => {} };
  await using _other = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers,
  });
  await Promise.any(calls);
  await eventually(() => assertEquals(pair.client.pending, 2));
  assertEquals(pair.server.stats().active, 2);
  gate.resolve();
  await Promise.all(calls);
});

Deno.test("RpcServer takes no requests while others fill its pool", async () => {
  const worker = new URL("../fixtures/workers/gated_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open(worker, { maxWorkers: 1 });
  await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
  await using peer = await AmqpPeer.open();
  const gate = crypto.randomUUID();
  const tasks = Array.from({ length: 8 }, () => pool.run("wait", gate));
  await eventually(async () => assertEquals(await peer.countConsumers(pair.queue), 0));
  const call = pair.client.call("echo", 1);
  assertEquals(pair.server.stats().active, 0);
  using gates = new DisposableStack();
  const channel = gates.adopt(new BroadcastChannel("gates"), (open) => open.close());
  channel.postMessage(gate);
  await Promise.all(tasks);
  assertEquals(await call, 1);
  assertEquals(await peer.countConsumers(pair.queue), 1);
});

Deno.test("RpcServer takes fewer requests while its pool can take fewer", async () => {
  const worker = new URL("../fixtures/workers/gated_worker.ts", import.meta.url);
  await using pool = await WorkerPool.open(worker, { maxWorkers: 1 });
  const gate = crypto.randomUUID();
  const tasks = Array.from({ length: 6 }, () => pool.run("wait", gate));
  await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
  await using peer = await AmqpPeer.open();
  const calls = Array.from({ length: 20 }, () => pair.client.call("wait", gate));
  await eventually(async () => assertEquals(await peer.countMessages(pair.queue), 18));
  assertEquals(pair.server.stats().active, 2);
  using gates = new DisposableStack();
  const channel = gates.adopt(new BroadcastChannel("gates"), (open) => open.close());
  channel.postMessage(gate);
  await Promise.all([...tasks, ...calls]);
});

Deno.test("RpcServer with a higher consumerPriority gets requests first", async () => {
  const gates = [0, 1].map(() => Promise.withResolvers<void>());
  const handlersOf = (name: string, gate: PromiseWithResolvers<void> | undefined) => ({
    async who() {
      await gate?.promise;
      return name;
    },
  });
  // The standby is there first, and would be given the first request.
  await using pair = await startPair(handlersOf("standby", gates[0]), {
    server: { prefetch: 1, consumerPriority: -1 },
  });
  const { url, queue, client } = pair;
  const options = { queue, prefetch: 2 };
  await using main = await RpcServer.listen(url, {
    ...options,
    handlers: handlersOf("main", gates[1]),
  });
  const calls = [client.call("who"), client.call("who")];
  await eventually(() => assertEquals(main.stats().active, 2));
  assertEquals(pair.server.stats().active, 0);
  // It has as many as it takes: only now the standby gets one.
  const third = client.call("who");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  for (const gate of gates) gate.resolve();
  assertEquals(await Promise.all(calls), ["main", "main"]);
  assertEquals(await third, "standby");
});
