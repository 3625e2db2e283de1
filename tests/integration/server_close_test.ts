import { RpcError, RpcServer } from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

/** A handler that waits for its test. */
function gatedHandler() {
  const gate = Promise.withResolvers<string>();
  return { gate, handlers: { wait: () => gate.promise } };
}

async function whenActive({ server }: Pair, count: number): Promise<void> {
  await eventually(() => assertEquals(server.stats().active, count));
}

Deno.test("RpcServer.close() serves the requests in hand first", async () => {
  const { gate, handlers } = gatedHandler();
  await using pair = await startPair(handlers);
  const calls = [1, 2, 3].map((n) => pair.client.call("wait", n));
  await whenActive(pair, 3);
  const closing = pair.server.close();
  gate.resolve("done");
  await closing;
  assertEquals(await Promise.all(calls), ["done", "done", "done"]);
  const { active, succeeded } = pair.server.stats();
  assertEquals([active, succeeded], [0, 3]);
});

Deno.test("RpcServer.close() acknowledges what it has answered", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  await Promise.all(Array.from({ length: 50 }, (_, n) => pair.client.call("echo", n)));
  await pair.server.close();
  await using peer = await AmqpPeer.open();
  assertEquals(await peer.countMessages(pair.queue), 0);
});

Deno.test("RpcServer.close() takes no further requests", async () => {
  const { gate, handlers } = gatedHandler();
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  const calls = [pair.client.call("wait"), pair.client.call("wait")];
  await whenActive(pair, 1);
  const closing = pair.server.close();
  gate.resolve("first server");
  await closing;
  const other = { wait: () => "second server" };
  await using _server = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers: other,
  });
  assertEquals(await Promise.all(calls), ["first server", "second server"]);
});

Deno.test("RpcServer.close() gives requests back after its grace", async () => {
  const { handlers } = gatedHandler();
  await using pair = await startPair(handlers);
  const call = pair.client.call("wait");
  await whenActive(pair, 1);
  await pair.server.close({ graceMs: 0 });
  const redeliveries: number[] = [];
  await using _server = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers: { wait: (_: unknown, context) => redeliveries.push(context.redeliveries) },
  });
  assertEquals(await call, 1);
  assertEquals(redeliveries, [1]);
});

Deno.test("RpcServer.close() aborts handlers whose grace has passed", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  await using pair = await startPair({
    wait(_: unknown, { signal }) {
      signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
      return new Promise(() => {});
    },
  });
  await pair.client.notify("wait");
  await whenActive(pair, 1);
  await pair.server.close({ graceMs: 0 });
  const reason = await promise;
  assert(reason instanceof RpcError && reason.code === "closed");
});

Deno.test("RpcServer.close() leaves aborted requests to another server", async () => {
  await using pair = await startPair({
    wait(_: unknown, { signal }) {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      return promise;
    },
  });
  const call = pair.client.call("wait");
  await whenActive(pair, 1);
  await pair.server.close({ graceMs: 0 });
  const handlers = { wait: () => "second server" };
  await using _server = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers,
  });
  assertEquals(await call, "second server");
});

Deno.test("RpcServer.close() gives one promise however often it is called", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const closing = pair.server.close();
  assertStrictEquals(pair.server.close({ graceMs: 0 }), closing);
  assertStrictEquals(pair.server[Symbol.asyncDispose](), closing);
  await closing;
  assertStrictEquals(pair.server.close(), closing);
});

Deno.test("RpcServer.close() while draining does not cut the drain short", async () => {
  const { gate, handlers } = gatedHandler();
  await using pair = await startPair(handlers);
  const call = pair.client.call("wait");
  await whenActive(pair, 1);
  const closing = pair.server.close();
  await Promise.all([pair.server.close({ graceMs: 0 }), closing, call, gate.resolve("done")]);
  assertEquals(await call, "done");
});

Deno.test("RpcServer serves until its block is left by await using", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  await pair.server.close();
  {
    const { queue } = pair;
    await using _inner = await RpcServer.listen(brokerUrl(), {
      log: false,
      queue,
      handlers: { echo: () => 2 },
    });
    assertEquals(await pair.client.call("echo"), 2);
  }
  const late = () => pair.client.call("echo", 1, { timeoutMs: 50 });
  assertEquals((await assertRejects(late, RpcError)).code, "timeout");
});

Deno.test("RpcServer.close() closes nothing for a graceMs that is none", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  for (const graceMs of [NaN, -1, "1"]) {
    const options = { graceMs } as { graceMs: number };
    await assertRejects(() => pair.server.close(options), RangeError, '"graceMs" must be a number');
  }
  assertEquals(await pair.client.call("echo", 1), 1);
});

Deno.test("RpcServer.close() in a handler does not wait for itself", async () => {
  const gate = Promise.withResolvers<void>();
  let isStopping = false;
  await using pair: Pair = await startPair({
    slow: async () => await gate.promise,
    stop: async () => {
      isStopping = true;
      await pair.server.close();
      return "stopped";
    },
  });
  const { client, server } = pair;
  const slow = client.call("slow");
  await eventually(() => assertEquals(server.stats().active, 1));
  let isStopped = false;
  const stopped = client.call("stop").then((output) => {
    isStopped = true;
    return output;
  });
  await eventually(() => assertEquals([server.stats().active, isStopping], [2, true]));
  // Others are waited for.
  assertEquals(isStopped, false);
  gate.resolve();
  assertEquals(await within(2_000, "stop", stopped), "stopped");
  await slow;
  await within(2_000, "close()", server.close());
  assertEquals(server.stats().succeeded, 2);
});

Deno.test("RpcServer.close() in a handler answers it within the grace", async () => {
  const { promise: never } = Promise.withResolvers<void>();
  await using pair: Pair = await startPair({
    hang: () => never,
    stop: async () => {
      await pair.server.close({ graceMs: 1_000 });
      return "stopped";
    },
  });
  const hung = pair.client.call("hang", null, { timeoutMs: 3_000 }).catch(() => "hung");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  assertEquals(await within(2_000, "stop", pair.client.call("stop")), "stopped");
  await pair.server.close();
  assertEquals(pair.server.stats().succeeded, 1);
  assertEquals(await hung, "hung");
});

Deno.test("RpcServer.close() after its handler has ended waits for all", async () => {
  let close = () => Promise.resolve();
  await using pair: Pair = await startPair({
    prepare: () => {
      // The context of the handler outlives it.
      const later = Promise.withResolvers<void>();
      const closed = later.promise.then(() => pair.server.close());
      close = () => {
        later.resolve();
        return closed;
      };
    },
  });
  await pair.client.call("prepare");
  await eventually(() => assertEquals(pair.server.stats().succeeded, 1));
  let isClosed = false;
  await within(2_000, "close()", close());
  void pair.server.close().then(() => isClosed = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(isClosed, true);
});
