import {
  RpcClient,
  type RpcClientOptions,
  RpcError,
  RpcServer,
  type RpcServerOptions,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../deps/std_assert.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { sealHandler } from "../../internal/running/encoded_handler.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import type { GatedContract } from "../fixtures/workers/gated_worker.ts";

/** What {@linkcode startLanes} makes. */
interface Lanes extends AsyncDisposable {
  readonly queue: string;
  /** The second queue of the server. */
  readonly lane: string;
  readonly server: RpcServer;
  readonly client: RpcClient;
  readonly events: readonly { readonly type: string; readonly queue?: string }[];
}

interface LanesOptions {
  readonly handlers: RpcServerOptions["handlers"];
  readonly own?: NonNullable<RpcServerOptions["queues"]>[string];
  readonly server?: Partial<RpcServerOptions>;
  readonly client?: Partial<RpcClientOptions>;
  /** Of the server, beside the two. */
  readonly queues?: RpcServerOptions["queues"];
}

/** A server of two queues; its client's calls of what begins with `quick` or `echo` take the second. */
async function startLanes(parts: LanesOptions): Promise<Lanes> {
  const { handlers, own = {}, server, client, queues } = parts;
  const url = brokerUrl();
  const queue = randomQueue();
  const lane = `${queue}.quick`;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => deleteQueue(queue, url));
  stack.defer(() => deleteQueue(lane, url));
  const events: { readonly type: string; readonly queue?: string }[] = [];
  const options = { queue, queues: { [lane]: own, ...queues }, handlers, ...server };
  const onEvent = (event: typeof events[number]) => void events.push(event);
  const served = stack.use(await RpcServer.listen(url, { ...options, onEvent }));
  const route = (name: string) => /^(quick|echo)/.test(name) ? lane : undefined;
  const calling = stack.use(await RpcClient.connect(url, { queue, route, log: false, ...client }));
  const owned = stack.move();
  return {
    queue,
    lane,
    server: served,
    client: calling,
    events,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A procedure that waits until it is told to end. */
function gated() {
  const gate = Promise.withResolvers<string>();
  return { wait: () => gate.promise, open: () => gate.resolve("waited") };
}

Deno.test("RpcServer serves a lane while its main queue is full", async () => {
  const { wait, open } = gated();
  const handlers = { wait, quick: () => "at once" };
  await using lanes = await startLanes({ handlers, server: { prefetch: 2 } });
  const slow = Array.from({ length: 20 }, () => lanes.client.call("wait"));
  await eventually(() => assertEquals(lanes.server.stats(lanes.queue).active, 2));
  assertEquals(await lanes.client.call("quick"), "at once");
  await eventually(() => assertEquals(lanes.server.stats(lanes.lane).succeeded, 1));
  open();
  await Promise.all(slow);
  await eventually(() => assertEquals(lanes.server.stats().succeeded, 21));
  assertThrows(() => lanes.server.stats("other"), RangeError, "has no such queue");
});

Deno.test("A lane reaches a worker that maxConcurrent has left idle", async () => {
  await using pool = await WorkerPool.open<GatedContract>(
    new URL("../fixtures/workers/gated_worker.ts", import.meta.url),
    { maxWorkers: 2, limits: { wait: { maxConcurrent: 1 } } },
  );
  await using lanes = await startLanes({
    handlers: pool.handlers(),
    own: { procedures: ["echo"] },
  });
  const stop = new AbortController();
  const slow = Array.from(
    { length: 100 },
    () => lanes.client.call("wait", crypto.randomUUID(), stop),
  );
  const ended = Promise.allSettled(slow);
  // More than the server has in hand: those of the main queue wait at the broker.
  await eventually(() => assert(lanes.server.stats(lanes.queue).active >= 16));
  assertEquals(await lanes.client.call("echo", "at once"), "at once");
  assertEquals(lanes.server.stats(lanes.queue).succeeded, 0);
  stop.abort();
  await ended;
});

Deno.test("A lane serves its own procedures alone, if it says which", async () => {
  const handlers = { other: () => 1, quick: () => 2, quickest: () => 3 };
  await using lanes = await startLanes({ handlers, own: { procedures: ["quick"] } });
  assertEquals(await lanes.client.call("quick"), 2);
  assertEquals(await lanes.client.call("other"), 1);
  const refused = await assertRejects(() => lanes.client.call("quickest"));
  assertEquals((refused as { code?: string }).code, "unknown-procedure");
});

Deno.test("Streams, notifications and callbacks take their lane", async () => {
  const notes: unknown[] = [];
  const handlers = {
    *quickItems() {
      yield* [1, 2, 3];
    },
    quickNote: (input: unknown) => void notes.push(input),
    quick: (input: unknown) => input,
  };
  await using lanes = await startLanes({ handlers, client: { batching: true } });
  const { client, server, lane, queue } = lanes;
  assertEquals(await Array.fromAsync(client.stream("quickItems")), [1, 2, 3]);
  await client.notify("quickNote", "note");
  const { promise, resolve } = Promise.withResolvers<unknown>();
  client.callAsync("quick", "called back", (result) => resolve(result));
  assertEquals(await promise, { ok: true, output: "called back" });
  const inputs = Array.from({ length: 50 }, (_, index) => index);
  assertEquals(await client.callAll(inputs.map((input) => ["quick", input] as const)), inputs);
  await eventually(() => assertEquals(server.stats(lane).succeeded, 53));
  assertEquals([notes, server.stats(queue).succeeded], [["note"], 0]);
});

Deno.test("A call that is cancelled ends in its lane", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handlers = {
    quick: (_input: unknown, { signal }: { signal: AbortSignal }) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => (resolve(), reject(signal.reason)), { once: true });
      return promise;
    },
  };
  await using lanes = await startLanes({ handlers });
  const stop = new AbortController();
  const call = lanes.client.call("quick", undefined, stop);
  await eventually(() => assertEquals(lanes.server.stats(lanes.lane).active, 1));
  stop.abort();
  await assertRejects(() => call);
  await promise;
});

Deno.test("A request of a lane is parked beside its own queue", async () => {
  const error = new RpcError("worker-crashed", "Cannot go on as the worker died");
  const handlers = { quick: sealHandler({ handle: () => Promise.reject(error) }) };
  await using lanes = await startLanes({ handlers, server: { maxDeliveries: 1 } });
  await assertRejects(() => lanes.client.call("quick"));
  await eventually(async () => {
    // One that asks for a queue that is not there yet loses its channel.
    await using peer = await AmqpPeer.open();
    assertEquals(await peer.countMessages(`${lanes.lane}.parked`), 1);
  });
  await eventually(() => assertEquals(lanes.server.stats(lanes.lane).parked, 1));
});

Deno.test("Operators ask and pause each queue by its own name", async () => {
  const handlers = { wait: () => 1, quick: () => 2 };
  const own = { procedures: ["quick"], prefetch: 7 };
  await using lanes = await startLanes({ handlers, own, server: { control: "admin" } });
  await using control = await RpcControl.connect(brokerUrl());
  const [info] = await control.info({ queue: lanes.lane, expect: 1 });
  assertEquals([info?.name, info?.prefetch], [lanes.lane, 7]);
  assertEquals(info?.endpoints.map(({ name }) => name), ["quick"]);
  await control.pause({ queue: lanes.queue, expect: 1 });
  assertEquals(lanes.server.state.name, "serving");
  assertEquals(await lanes.client.call("quick"), 2);
  await control.pause({ queue: lanes.lane, expect: 1 });
  assertEquals(lanes.server.state.name, "paused");
  await control.resume({ queue: lanes.queue, expect: 1 });
  assertEquals(await lanes.client.call("wait"), 1);
});

Deno.test("A queue that is drained leaves the others to serve", async () => {
  const handlers = { wait: () => 1, quick: () => 2 };
  await using lanes = await startLanes({ handlers, server: { control: "admin" } });
  await using control = await RpcControl.connect(brokerUrl());
  await control.drain({ queue: lanes.queue, expect: 1 });
  assertEquals(await lanes.client.call("quick"), 2);
  assertEquals(lanes.server.state.name, "serving");
  await control.drain({ queue: lanes.lane, expect: 1 });
  await lanes.server.finished;
  assertEquals(lanes.server.state.name, "closed");
});

Deno.test("A server is paused if all its queues are that were not drained", async () => {
  const handlers = { wait: () => 1, quick: () => 2 };
  const third = `${randomQueue()}.third`;
  await using lanes = await startLanes({
    handlers,
    server: { control: "admin" },
    queues: { [third]: {} },
  });
  await using control = await RpcControl.connect(brokerUrl());
  await control.drain({ queue: third, expect: 1 });
  for (const queue of [lanes.queue, lanes.lane]) {
    assertEquals(lanes.server.state.name, "serving");
    await control.pause({ queue, expect: 1 });
  }
  assertEquals(lanes.server.state.name, "paused");
  await control.resume({ queue: lanes.queue, expect: 1 });
  assertEquals(lanes.server.state.name, "serving");
  // With it goes the last one that is not paused.
  await control.drain({ queue: lanes.queue, expect: 1 });
  await eventually(() => assertEquals(lanes.server.state.name, "paused"));
  await deleteQueue(third);
});

Deno.test("RpcServer with several queues names them in its events", async () => {
  await using lanes = await startLanes({ handlers: { quick: () => 1 } });
  await lanes.client.call("quick");
  await eventually(() => {
    const served = lanes.events.filter(({ type }) => type === "served");
    assertEquals(served.map(({ queue }) => queue), [lanes.lane]);
  });
});

Deno.test("RpcServer.close() from a handler ends all its queues", async () => {
  const handlers = { wait: () => 1, quick: () => lanes.server.close().then(() => "closed") };
  await using lanes: Lanes = await startLanes({ handlers });
  assertEquals(await lanes.client.call("quick"), "closed");
  await lanes.server.finished;
});

Deno.test("RpcServer.listen() leaves nothing behind if one queue fails", async () => {
  const queue = randomQueue();
  const queues = { [`${queue}.none`]: { durability: "existing" } } as const;
  const options = { queue, queues, handlers: { quick: () => 1 }, log: false };
  const error = await assertRejects(() => RpcServer.listen(brokerUrl(), options));
  assertEquals((error as { code?: string }).code, "misconfigured");
  await deleteQueue(queue, brokerUrl());
});

Deno.test("RpcServer.listen() refuses queues that it cannot serve", async () => {
  const listen = (queues: unknown) =>
    RpcServer.listen("amqp://127.0.0.1:1", {
      queue: "math",
      queues: queues as Record<string, never>,
      handlers: { quick: () => 1 },
    });
  await assertRejects(() => listen([]), TypeError, '"queues" must be an object');
  await assertRejects(() => listen({ other: 1 }), TypeError, '"queues.other" must be an object');
  await assertRejects(() => listen({ math: {} }), TypeError, 'another queue than "queue"');
  await assertRejects(() => listen({ "": {} }), TypeError, '"queue" must be');
  const parked = "the parking queue of another";
  await assertRejects(() => listen({ "math.parked": {} }), TypeError, parked);
  await assertRejects(() => listen({ other: {}, "other.parked": {} }), TypeError, parked);
  // Which of many it is.
  const prefetch = '"queues.other.prefetch" must be';
  await assertRejects(() => listen({ other: { prefetch: 0 } }), RangeError, prefetch);
  const procedures = '"queues.other.procedures" ';
  await assertRejects(() => listen({ other: { procedures: ["no"] } }), TypeError, procedures);
  await assertRejects(() => listen({ other: { procedures: [] } }), TypeError, procedures);
});

Deno.test("RpcClient rejects a call whose route names no queue", async () => {
  const wrong: unknown[] = [
    7,
    "",
    "x".repeat(256),
    "two\nlines",
    "\ud83d",
    Promise.resolve("math"),
  ];
  let name: unknown;
  await using lanes = await startLanes({
    handlers: { quick: () => 1 },
    client: { route: () => name as string },
  });
  for (name of wrong) {
    await assertRejects(() => lanes.client.call("quick"), TypeError, '"route" must return');
    await assertRejects(() => lanes.client.notify("quick"), TypeError, '"route" must return');
  }
});

Deno.test("RpcClient rejects a call to a lane that nobody serves", async () => {
  await using lanes = await startLanes({
    handlers: { quick: () => 1 },
    client: { route: () => randomQueue() },
  });
  const error = await assertRejects(() => lanes.client.call("quick"));
  assertEquals((error as { code?: string }).code, "unroutable");
});

Deno.test("RpcClient refuses more queues than it can look after", async () => {
  let count = 0;
  await using lanes = await startLanes({
    handlers: { quick: () => 1 },
    client: { route: () => `none-${count++}`, maxPending: 1 },
  });
  const calls = Array.from({ length: 1_001 }, () => lanes.client.call("quick"));
  const last = calls.at(-1);
  const others = Promise.allSettled(calls);
  await assertRejects(() => last ?? Promise.resolve(), RangeError, "1000 other queues");
  await lanes.client.close({ graceMs: 0 });
  await others;
});
