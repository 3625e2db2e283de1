import {
  type CallResult,
  type NamedReply,
  RpcClient,
  type RpcClientOptions,
  RpcError,
  RpcServer,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../deps/std_assert.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { startChild } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";

const CLIENT = new URL("../fixtures/callback_process.ts", import.meta.url);

const CALLBACK_KEYS = ["a secret of these tests"];

interface Received {
  readonly result: CallResult<unknown>;
  readonly reply: NamedReply;
}

/** A request queue and a durable reply queue, and what it takes to use them. */
async function startPlace() {
  await using stack = new AsyncDisposableStack();
  const [queue, name] = [randomQueue(), randomQueue()];
  const replyQueue = `rpc.replies.${name}`;
  for (const each of [queue, replyQueue]) stack.defer(() => deleteQueue(each));
  const peer = stack.use(await AmqpPeer.open());
  const returns = { "x-dead-letter-exchange": "rpc.returns", "x-queue-type": "quorum" };
  const owned = stack.move();
  return {
    queue,
    name,
    replyQueue,
    peer,
    connect: (options: Partial<RpcClientOptions> = {}) =>
      RpcClient.connect(brokerUrl(), {
        queue,
        replyQueue: { name },
        callbackKeys: CALLBACK_KEYS,
        ...options,
      }),
    /** What the server will declare, too. */
    declare: () => peer.declareQueue(queue, { durable: true, arguments: returns }),
    serve: (work: (input: unknown) => unknown) =>
      RpcServer.listen(brokerUrl(), { queue, handlers: { work } }),
    startChild: (mode: string, ...input: string[]) =>
      startChild(CLIENT, { args: [brokerUrl(), queue, name, mode, ...input] }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Registers a callback and collects what it gets. */
function collect(client: RpcClient): Received[] {
  const received: Received[] = [];
  client.registerCallback("save", (result, reply) => received.push({ result, reply }));
  return received;
}

Deno.test("A named callback gets its reply, with its context", async () => {
  await using place = await startPlace();
  await using _server = await place.serve((n) => n);
  await using client = await place.connect();
  const received = collect(client);
  const context = { order: 2n ** 64n };
  const correlationId = client.callAsync("work", 1, "save", { callbackContext: context });
  await eventually(() => assertEquals(received.length, 1));
  assertEquals(received, [{
    result: { ok: true, output: 1 },
    reply: { correlationId, procedure: "work", context },
  }]);
});

Deno.test("A reply waits for the next start of a client that closed", async () => {
  await using place = await startPlace();
  await place.declare();
  const first = await place.connect();
  const early = collect(first);
  const correlationId = first.callAsync("work", 1, "save", { callbackContext: "order 7" });
  await first.notify("work", "marker");
  await first.close();
  await using _server = await place.serve((n) => n);
  await eventually(async () => assertEquals(await place.peer.countMessages(place.replyQueue), 1));
  await using second = await place.connect();
  const received = collect(second);
  await eventually(() => assertEquals(received.length, 1));
  assertEquals(received, [{
    result: { ok: true, output: 1 },
    reply: { correlationId, procedure: "work", context: "order 7" },
  }]);
  assertEquals(early, []);
});

Deno.test("A reply that comes while its client closes is not lost", async () => {
  const gate = Promise.withResolvers<void>();
  await using place = await startPlace();
  await using server = await place.serve(async (input) => {
    if (input === "slow") await gate.promise;
    return input;
  });
  const first = await place.connect();
  const early = collect(first);
  const slow = first.call("work", "slow");
  first.callAsync("work", "named", "save");
  const closing = first.close();
  await eventually(() => assertEquals(server.stats().succeeded, 1));
  gate.resolve();
  assertEquals(await slow, "slow");
  await closing;
  await using second = await place.connect();
  const received = collect(second);
  await eventually(() => assertEquals(received.length, 1));
  assertEquals([received[0]?.result, early], [{ ok: true, output: "named" }, []]);
});

Deno.test("A named call that never reached the broker is told that its client closed", async () => {
  await using proxy = FaultProxy.start(brokerUrl());
  await using place = await startPlace();
  await place.declare();
  const lost = Promise.withResolvers<void>();
  const client = await RpcClient.connect(proxy.url, {
    queue: place.queue,
    replyQueue: { name: place.name },
    callbackKeys: CALLBACK_KEYS,
    onEvent: (event) => event.type === "disconnected" && lost.resolve(),
  });
  const received = collect(client);
  client.callAsync("work", 1, "save");
  await client.notify("work", "marker");
  proxy.block();
  await lost.promise;
  const unsent = client.callAsync("work", 2, "save");
  await client.close({ graceMs: 50 });
  // The reply to the first one waits for the next start.
  assertEquals(received.map(({ reply }) => reply.correlationId), [unsent]);
  const [{ result } = {}] = received;
  assert(result !== undefined && !result.ok && result.error instanceof RpcError);
  assertEquals([result.error.code, result.error.call?.phase], ["closed", "not-published"]);
});

Deno.test("A reply waits for the next start of a client that was killed", async () => {
  await using place = await startPlace();
  await place.declare();
  await using killed = place.startChild("run", "7");
  await killed.line("called");
  killed.kill("SIGKILL");
  await killed.status;
  await using _server = await place.serve((n) => n);
  await using next = place.startChild("run");
  await next.line('callback ["7",{"order":7}]');
});

Deno.test("A reply comes again if its client is killed in the callback", async () => {
  await using place = await startPlace();
  await using _server = await place.serve((n) => n);
  await using killed = place.startChild("hang", "7");
  await killed.line('callback ["7",{"order":7}]');
  killed.kill("SIGKILL");
  await killed.status;
  await using next = place.startChild("run");
  await next.line('callback ["7",{"order":7}]');
});

Deno.test("A request that expired while its client was away says so", async () => {
  await using place = await startPlace();
  await place.declare();
  const first = await place.connect();
  collect(first);
  first.callAsync("work", 1, "save", { timeoutMs: 200, callbackContext: 7 });
  await first.notify("work", "marker");
  await first.close();
  await eventually(async () => assertEquals(await place.peer.countMessages(place.replyQueue), 1));
  await using second = await place.connect();
  const received = collect(second);
  await eventually(() => assertEquals(received.length, 1));
  const [{ result, reply } = {}] = received;
  assert(result !== undefined && !result.ok && result.error instanceof RpcError);
  const { code, call } = result.error;
  assertEquals([code, call?.phase, call?.procedure], ["expired", "queued", "work"]);
  assertEquals([reply?.context, call?.queue], [7, place.queue]);
});

Deno.test("A callback that fails is told of, and its reply is gone", async () => {
  await using place = await startPlace();
  await using _server = await place.serve((n) => n);
  const errors: unknown[] = [];
  await using client = await place.connect({
    onEvent: (event) => event.type === "callback-failed" && errors.push(event.error),
  });
  const error = new Error("Cannot save");
  client.registerCallback("save", () => Promise.reject(error));
  client.callAsync("work", 1, "save");
  await eventually(() => assertEquals(errors, [error]));
  await client.close();
  assertEquals(await place.peer.countMessages(place.replyQueue), 0);
});

Deno.test("RpcClient.connect() refuses a durable reply queue in use", async () => {
  await using place = await startPlace();
  await using first = await place.connect();
  const error = await assertRejects(() => place.connect(), RpcError, place.replyQueue);
  assertEquals([error.code, error.retryable], ["misconfigured", true]);
  assertStringIncludes(error.message, "give each its own name");
  await first.close();
  await using _second = await place.connect();
});

Deno.test("A reply to a durable queue that is deleted under its client arrives", async () => {
  await using place = await startPlace();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  await using _server = await place.serve(async (n) => {
    runs++;
    await gate.promise;
    return n;
  });
  await using client = await place.connect();
  const call = client.call("work", 1);
  await eventually(() => assertEquals(runs, 1));
  await place.peer.deleteQueue(place.replyQueue);
  gate.resolve();
  assertEquals(await call, 1);
  assertEquals(runs, 1);
});

Deno.test("A request whose durable reply queue is gone is parked, and answered later", async () => {
  await using place = await startPlace();
  await place.declare();
  const first = await place.connect();
  collect(first);
  first.callAsync("work", 1, "save", { callbackContext: "order 7" });
  await first.notify("work", "marker");
  await first.close();
  await place.peer.deleteQueue(place.replyQueue);
  await using server = await place.serve((n) => n);
  await eventually(() => assertEquals(server.stats().parked, 1));
  await using second = await place.connect();
  const received = collect(second);
  await using parked = await ParkedRequests.open(brokerUrl(), { queue: place.queue });
  assertEquals((await parked.list()).map(({ reason }) => reason), ["orphaned"]);
  assertEquals((await parked.redrive("all")).redriven, 1);
  await eventually(() => assertEquals(received.length, 1));
  assertEquals([received[0]?.result, received[0]?.reply.context], [
    { ok: true, output: 1 },
    "order 7",
  ]);
});

Deno.test("A durable reply queue of one node is used as it is, and its client told", async () => {
  await using place = await startPlace();
  await using _server = await place.serve((n) => n);
  const options = { durable: true, arguments: { "x-expires": 86_400_000 } };
  await place.peer.declareQueue(place.replyQueue, options);
  const told: string[] = [];
  const connect = () =>
    place.connect({
      onEvent: (event) => event.type === "reply-queue-unreplicated" && told.push(event.queue),
    });
  await using client = await connect();
  const received = collect(client);
  client.callAsync("work", 1, "save");
  await eventually(() => assertEquals(received.length, 1));
  assertEquals(told, [place.replyQueue]);
  const error = await assertRejects(connect, RpcError, "give each its own name");
  assertEquals([error.code, error.retryable], ["misconfigured", true]);
});

Deno.test("A reply queue of operators serves one client, whatever its type", async () => {
  const types = [{ "x-queue-type": "classic" }, {
    "x-queue-type": "quorum",
    "x-single-active-consumer": true,
  }];
  for (const args of types) {
    await using place = await startPlace();
    await place.peer.declareQueue(place.replyQueue, { durable: true, arguments: args });
    await using _server = await place.serve((n) => n);
    await using client = await place.connect({ declare: false });
    const start = performance.now();
    const error = await assertRejects(() => place.connect({ declare: false }), RpcError);
    assertStringIncludes(error.message, "in use by another client");
    // It does not wait for a sign of life that cannot come.
    assertLess(performance.now() - start, 2_500);
    assertEquals(await client.call("work", 1), 1);
  }
});

Deno.test("RpcClient.connect() says how a durable reply queue differs", async () => {
  await using place = await startPlace();
  await (await place.connect()).close();
  const other = { replyQueue: { name: place.name, expiresMs: 1_000 } };
  const error = await assertRejects(() => place.connect(other), RpcError, '"x-expires" is');
  assertStringIncludes(error.message, '"replyQueue.expiresMs"');
  assertEquals([error.code, error.retryable], ["misconfigured", false]);
});

Deno.test("RpcClient.callAsync() wants the name of a registered callback", async () => {
  await using place = await startPlace();
  await using client = await place.connect();
  const call = () => client.callAsync("work", 1, "save");
  assertThrows(call, TypeError, 'callback "save" is not registered');
  collect(client);
  assertThrows(() => collect(client), TypeError, "there is one of that name");
  const context = { when: new Date() };
  await using keyless = await RpcClient.connect(brokerUrl(), { queue: place.queue });
  assertThrows(() => collect(keyless), TypeError, "openssl rand -hex 32");
  // As untyped callers may.
  const odd = () => client.callAsync("work", 1, "save", { callbackContext: context as unknown });
  assertThrows(odd, RpcError, "$.context.when");
  assertEquals(client.pending, 0);
});

Deno.test("A client takes out replies that are nobody's", async () => {
  await using place = await startPlace();
  await using client = await place.connect();
  const unreadable = ["not a ticket", "{}", "[]", 7];
  for (const callback of unreadable) {
    const headers = { "rpc-callback": callback };
    await place.peer.send(place.replyQueue, "1", { correlationId: "stranger", headers });
  }
  await place.peer.send(place.replyQueue, "1");
  await eventually(() => assertEquals(client.stats().unknownReplies, unreadable.length + 1));
  await client.close();
  assertEquals(await place.peer.countMessages(place.replyQueue), 0);
});

Deno.test("Replies for a callback that nobody registers do not stop their client", async () => {
  await using place = await startPlace();
  await place.declare();
  const first = await place.connect();
  const count = 300;
  collect(first);
  for (let n = 0; n < count; n++) first.callAsync("work", n, "save");
  await first.notify("work", "marker");
  await first.close();
  await using _server = await place.serve((n) => n);
  await eventually(async () => {
    assertEquals(await place.peer.countMessages(place.replyQueue), count);
  });
  const parked: (string | undefined)[] = [];
  // A release in which the callback has another name.
  const renamed = await place.connect({
    onEvent: (event) => event.type === "callback-unknown" && parked.push(event.parkedId),
  });
  assertEquals(await renamed.call("work", "answered"), "answered");
  await eventually(() => assertEquals(parked.length, count), 20_000);
  assert(parked.every((id) => id !== undefined));
  await renamed.close();
  assertEquals(await place.peer.countMessages(`${place.replyQueue}.parked`), count);
  await using next = await place.connect();
  const received = collect(next);
  await using requests = await ParkedRequests.open(brokerUrl(), { queue: place.replyQueue });
  assertEquals((await requests.list({ limit: 1 }))[0]?.reason, "unknown-callback");
  assertEquals((await requests.redrive("all")).redriven, count);
  await eventually(() => assertEquals(received.length, count));
  const outputs = received.map(({ result }) => result.ok && Number(result.output));
  assertEquals(outputs.sort((a, b) => Number(a) - Number(b)), [...Array(count).keys()]);
});

Deno.test("A client that drops replies for unknown callbacks says so", async () => {
  await using place = await startPlace();
  await using _server = await place.serve((n) => n);
  await using killed = place.startChild("hang", "7");
  await killed.line('callback ["7",{"order":7}]');
  killed.kill("SIGKILL");
  await killed.status;
  const dropped = Promise.withResolvers<readonly unknown[]>();
  await using _client = await place.connect({
    unknownCallbacks: "drop",
    onEvent(event) {
      if (event.type === "callback-unknown") dropped.resolve([event.name, event.parkedId]);
    },
  });
  assertEquals(await dropped.promise, ["save", undefined]);
});
