import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreater, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, RpcError, RpcRemoteError, RpcServer, RpcTimeoutError } from "../../mod.ts";
import { currentCall } from "../../current_call.ts";
import { AmqpPeer, type PeerMessage } from "../helpers/amqp_peer.ts";
import { z } from "../../deps/zod.ts";
import { brokerUrl, deleteQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const BATCH = { contentType: "application/vnd.warren.rpc-batch", type: "rpc.batch" };
const PLAIN_BATCH = { ...BATCH, contentType: "application/vnd.warren.rpc-plain-batch" };
const KNOWS_BATCHES = { "rpc-batches": true };

/** Nobody is told of single calls, and with observers on both sides. */
const KINDS = { plain: { onEvent: undefined, log: false }, observed: {} } as const;

type StartBatching = (...args: Parameters<typeof startPair>) => Promise<Pair>;

/** Tests with pairs whose clients have heard that their servers take batches. */
function testPairs(name: string, run: (startBatching: StartBatching) => Promise<void>): void {
  for (const [kind, how] of Object.entries(KINDS)) {
    Deno.test(`${name}: ${kind}`, () =>
      run(async (handlers, options) => {
        const pair = await startPair({ echo, ...handlers }, {
          server: { ...how, ...options?.server },
          client: { ...how, batching: true, ...options?.client },
        });
        assertEquals(await pair.client.call("echo", "hello"), "hello");
        return pair;
      }));
  }
}

function echo(value: unknown): unknown {
  return value;
}

/** A part of a batch by hand: written and read as docs/protocol.md says. */
interface HandPart {
  readonly id: string;
  readonly body: string;
  readonly own?: { readonly headers?: Readonly<Record<string, unknown>> };
}

/** Reads a batch of plain requests by hand. */
function readPlain({ content, properties }: PeerMessage) {
  const [head = "", ...inputs] = content.toString().split("\n");
  const { procedures, calls, deadline } = JSON.parse(head);
  const id = String(properties.correlationId);
  return {
    deadline,
    requests: inputs.map((body, index) => ({
      id: `${id}.${index}`,
      procedure: procedures[calls?.[index] ?? 0],
      body,
    })),
  };
}

function readBatch({ content }: PeerMessage) {
  const end = 4 + content.readUInt32BE();
  const { common, parts } = JSON.parse(content.subarray(4, end).toString());
  let start = end;
  return {
    common,
    parts: parts.map(([id, bytes, own]: [string, number, HandPart["own"]]) => ({
      id,
      own,
      body: content.subarray(start, start += bytes).toString(),
    })) as HandPart[],
  };
}

function writeBatch(common: object, parts: readonly HandPart[]): Buffer {
  const bodies = parts.map(({ body }) => Buffer.from(body));
  const heads = parts.map(({ id }, index) => [id, bodies[index]?.length]);
  const head = Buffer.from(JSON.stringify({ common, parts: heads }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, ...bodies]);
}

/** A server by hand, which has told a batching client that it takes batches. */
async function startPeer() {
  await using stack = new AsyncDisposableStack();
  const peer = stack.use(await AmqpPeer.open());
  const queue = await peer.declareQueue();
  const messages = await peer.messages(queue);
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue, batching: true }));
  const next = async () => (await messages.next()).value as PeerMessage;
  const first = client.call("echo", 0);
  const { properties } = await next();
  assertEquals(properties.headers?.["rpc-batches"], true);
  const { replyTo, correlationId } = properties;
  await peer.send(replyTo, "0", { type: "output", correlationId, headers: KNOWS_BATCHES });
  await first;
  const owned = stack.move();
  return { peer, client, next, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("Plain calls of one turn are lines of a message", async () => {
  await using hand = await startPeer();
  const { client } = hand;
  const before = Date.now();
  const calls = Promise.allSettled([
    client.call("echo", "a", { timeoutMs: 10_000 }),
    client.call("echo", ["b\n", "ä"], { timeoutMs: 10_000 }),
    client.call("other", undefined, { timeoutMs: 10_000 }),
    client.call("echo", "d", { timeoutMs: 10_000 }),
  ]);
  const message = await hand.next();
  const { replyTo, contentType, type, correlationId, expiration } = message.properties;
  assertEquals({ contentType, type }, PLAIN_BATCH);
  assertEquals(Number(expiration) > 0 && Number(expiration) <= 10_000, true);
  const { requests, deadline } = readPlain(message);
  assertGreater(deadline, before + 9_999);
  assertEquals(requests.map(({ procedure, body }) => [procedure, body]), [
    ["echo", '"a"'],
    ["echo", '["b\\n","ä"]'],
    ["other", ""],
    ["echo", '"d"'],
  ]);
  const failure = { name: "RangeError", message: "wrong" };
  const lines = [{ replies: [3, 0], errors: [1] }, "D", failure].map((line) =>
    JSON.stringify(line)
  );
  await hand.peer.send(replyTo, lines.join("\n"), { ...PLAIN_BATCH, correlationId });
  await hand.peer.send(replyTo, '{"first":1}\n"B"', { ...PLAIN_BATCH, correlationId });
  // One that has come already, and one that comes alone.
  await hand.peer.send(replyTo, '{"first":1}\n"B"', { ...PLAIN_BATCH, correlationId });
  // None of them, though JavaScript takes its number for 2.
  await hand.peer.send(replyTo, '"wrong"', {
    type: "output",
    contentType: "application/json",
    correlationId: `${correlationId}.02`,
  });
  await hand.peer.send(replyTo, '"C"', {
    type: "output",
    contentType: "application/json",
    correlationId: `${correlationId}.2`,
  });
  const results = await calls;
  assertEquals(results.slice(1).map((result) => "value" in result && result.value), [
    "B",
    "C",
    "D",
  ]);
  const [failed] = results;
  assert(failed?.status === "rejected" && failed.reason instanceof RpcRemoteError);
  assertEquals([failed.reason.remoteName, failed.reason.message], ["RangeError", "wrong"]);
  assertEquals(client.stats().duplicateReplies, 1);
  assertEquals(client.pending, 0);
});

Deno.test("A client that checks inputs and outputs does so with batching, too", async () => {
  await using pair = await startPair({ echo }, {
    client: { ...KINDS.plain, batching: true, inputs: { echo: z.string() } },
  });
  assertEquals(await pair.client.call("echo", "a"), "a");
  const refused = await assertRejects(() => pair.client.call("echo", 1), RpcError);
  assertEquals(refused.code, "invalid-input");
});

Deno.test("Plain calls end at their time, by their signal, and with their client", async () => {
  await using hand = await startPeer();
  const { client } = hand;
  const controller = new AbortController();
  const { signal } = controller;
  const late = assertRejects(() => client.call("echo", 1, { timeoutMs: 200 }), RpcTimeoutError);
  const aborted = [2, 3].map((n) => client.call("echo", n, { signal }).catch((reason) => reason));
  const closed = assertRejects(() => client.call("echo", 4), RpcError);
  await hand.next();
  await hand.next();
  assertEquals(client.pending, 4);
  controller.abort("enough");
  assertEquals(await Promise.all(aborted), ["enough", "enough"]);
  assertEquals((await late).call?.phase, "queued");
  assertEquals(client.pending, 1);
  await client.close({ graceMs: 0 });
  assertEquals((await closed).code, "closed");
});

testPairs("RpcClient.close() sends the calls that wait for their batch", async (startBatching) => {
  for (const batching of [true, { maxDelayMs: 60_000 }]) {
    await using pair = await startBatching({ slow: (input) => Promise.resolve(input) }, {
      client: { batching },
    });
    const { client } = pair;
    const calls = [1, 2].map((n) => client.call("slow", n));
    const closed = client.close();
    await assertRejects(() => client.call("slow", 3), RpcError, "closed");
    assertEquals(await Promise.all(calls), [1, 2]);
    await closed;
  }
});

testPairs("Plain calls time out while they wait for their batch to fill", async (startBatching) => {
  await using pair = await startBatching({}, { client: { batching: { maxDelayMs: 60_000 } } });
  const { client } = pair;
  const errors = await Promise.all(
    [200, 199].map((timeoutMs) =>
      assertRejects(() => client.call("echo", 1, { timeoutMs }), RpcTimeoutError)
    ),
  );
  assertEquals(errors.map(({ call }) => call?.phase), ["not-published", "not-published"]);
  assertEquals(pair.server.stats().succeeded, 1);
});

Deno.test("Calls of one turn share a message once a server has said that it takes batches", async () => {
  await using hand = await startPeer();
  const headers = { tenant: "7" };
  const calls = Promise.all(
    ["a", "b", "c"].map((text) => hand.client.call("echo", text, { headers })),
  );
  const message = await hand.next();
  const { replyTo, contentType, type, messageId } = message.properties;
  assertEquals([{ contentType, type }, messageId], [BATCH, undefined]);
  assertGreater(Number(message.properties.expiration), 0);
  const { common, parts } = readBatch(message);
  assertEquals([common.type, common.contentType], ["echo", "application/json"]);
  assertEquals(parts.map(({ body }) => body), ['"a"', '"b"', '"c"']);
  assertEquals(new Set(parts.map(({ id }) => id)).size, 3);
  // One of them alone, the others together, in another order.
  const [first, ...others] = parts.map(({ id, body }) => ({ id, body: body.toUpperCase() }));
  assert(first !== undefined);
  await hand.peer.send(
    replyTo,
    writeBatch({ type: "output", contentType: "application/json" }, others.reverse()),
    BATCH,
  );
  await hand.peer.send(replyTo, first.body, { type: "output", correlationId: first.id });
  assertEquals(await calls, ["A", "B", "C"]);
});

Deno.test("Calls go one by one again when a server does not understand a batch", async () => {
  await using hand = await startPeer();
  const calls = Promise.all(["a", "b"].map((text) => hand.client.call("echo", text)));
  const { properties: { replyTo, correlationId } } = await hand.next();
  const refusal = { name: "RpcError", message: "no such procedure", code: "unknown-procedure" };
  await hand.peer.send(replyTo, JSON.stringify(refusal), { type: "error", correlationId });
  for (const _ of [1, 2]) {
    const { properties, content } = await hand.next();
    assertEquals(properties.type, "echo");
    await hand.peer.send(replyTo, content, { ...properties, type: "output" });
  }
  assertEquals(await calls, ["a", "b"]);
  const later = ["c", "d"].map((text) => hand.client.call("echo", text));
  for (const _ of later) {
    const { properties, content } = await hand.next();
    assertEquals(properties.type, "echo");
    await hand.peer.send(replyTo, content, { ...properties, type: "output" });
  }
  assertEquals(await Promise.all(later), ["c", "d"]);
});

testPairs(
  "Each call of a batch has its own output, error, time and cancellation",
  async (startBatching) => {
    const stopped: unknown[] = [];
    const controller = new AbortController();
    await using pair = await startBatching({
      fail: (text) => Promise.reject(new RangeError(String(text))),
      hang: (_input, { signal }) =>
        new Promise((_resolve, reject) => {
          queueMicrotask(() => controller.abort("enough"));
          signal.addEventListener("abort", () => {
            stopped.push(signal.reason.code);
            reject(signal.reason);
          });
        }),
    });
    const { client } = pair;
    const results = await Promise.allSettled([
      client.call("echo", "ä"),
      client.call("fail", "wrong"),
      client.call("nobody", 1),
      client.call("hang", 1, { timeoutMs: 29_000, signal: controller.signal }),
      ...Array.from({ length: 300 }, (_, number) => client.call("echo", { number })),
      client.call("echo", new Uint8Array([1, 2])),
    ]);
    const [plain, failed, unknown, aborted, ...others] = results.map((result) =>
      result.status === "fulfilled" ? result.value : result.reason
    );
    assertEquals(plain, "ä");
    assert(failed instanceof RpcRemoteError && failed.remoteName === "RangeError");
    assert(unknown instanceof RpcRemoteError && unknown.code === "unknown-procedure");
    assertEquals(aborted, "enough");
    assertEquals(others.slice(0, 300), Array.from({ length: 300 }, (_, number) => ({ number })));
    assertEquals(others.at(-1), new Uint8Array([1, 2]));
    await eventually(() => assertEquals(stopped, ["cancelled"]));
    assertEquals(client.stats().lateReplies + client.stats().duplicateReplies, 0);
  },
);

testPairs("Each call of a batch has its own deadline on the server", async (startBatching) => {
  await using pair = await startBatching({
    left: (_input, { deadline = 0 }) => deadline - Date.now(),
  });
  // They differ by less than a tenth.
  const times = [620_000, 570_000];
  for (const each of [times, times.toReversed()]) {
    const left = await Promise.all(
      each.map((timeoutMs) => pair.client.call("left", undefined, { timeoutMs })),
    );
    left.forEach((ms, index) => assertGreater(Number(ms), (each[index] ?? 0) - 20_000));
  }
  assertEquals(pair.serverEvents.filter(({ type }) => type === "clocks-differ"), []);
});

testPairs("A server runs no more of a batch at a time than its prefetch", async (startBatching) => {
  let [running, most] = [0, 0];
  await using pair = await startBatching({
    async work(input) {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve));
      running--;
      return input;
    },
  }, { server: { prefetch: 3 } });
  const inputs = Array.from({ length: 50 }, (_, number) => number);
  assertEquals(await Promise.all(inputs.map((n) => pair.client.call("work", n))), inputs);
  assertEquals(most, 3);
});

testPairs("RpcServer.close() serves what it has of a batch", async (startBatching) => {
  const started = Promise.withResolvers<void>();
  await using pair = await startBatching({
    async work(input) {
      started.resolve();
      await new Promise((resolve) => setTimeout(resolve));
      return input;
    },
  }, { server: { prefetch: 2 } });
  const calls = Promise.all([1, 2, 3, 4, 5].map((n) => pair.client.call("work", n)));
  await started.promise;
  await pair.server.close();
  assertEquals(await calls, [1, 2, 3, 4, 5]);
  assertEquals(pair.server.stats().succeeded, 6);
});

testPairs(
  "Handlers that take no time see of a plain call what they see of others",
  async (startBatching) => {
    const seen: unknown[] = [];
    await using pair = await startBatching({
      look(input, context) {
        const { procedure, redeliveries, headers, signal } = context;
        assertEquals(currentCall()?.correlationId, context.correlationId);
        context.throwIfCancelled();
        context.setReplyHeader("number", Number(input));
        seen.push([
          procedure,
          redeliveries,
          headers,
          signal.aborted,
          pair.server.stats().active > 0,
        ]);
        return input;
      },
      throws() {
        throw new RangeError("wrong");
      },
    });
    const { client, server } = pair;
    const replies: unknown[] = [];
    const looks = await Promise.all([
      client.call("look", 1),
      client.call("look", 2),
      client.call("look", 3, { onReply: ({ headers }) => replies.push(headers) }),
    ]);
    assertEquals([looks, replies], [[1, 2, 3], [{ number: 3 }]]);
    assertEquals(seen, Array(3).fill(["look", 0, {}, false, true]));
    const errors = await Promise.all(
      [1, 2].map(() => assertRejects(() => client.call("throws"), RpcRemoteError)),
    );
    assertEquals(errors.map(({ remoteName }) => remoteName), ["RangeError", "RangeError"]);
    await eventually(() => assertEquals(server.stats().active, 0));
    assertEquals([server.stats().succeeded, server.stats().failed], [4, 2]);
  },
);

testPairs("A handler may close its server out of a plain batch", async (startBatching) => {
  await using pair = await startBatching({
    async stop() {
      await pair.server.close();
      return "closed";
    },
  });
  const { client } = pair;
  const outputs = await Promise.all([
    client.call("echo", 1),
    client.call("stop"),
    client.call("echo", 2),
  ]);
  assertEquals(outputs, [1, "closed", 2]);
});

testPairs(
  "A batch that comes again is taken apart, so that its requests are counted for themselves",
  async (startBatching) => {
    await using pair = await startBatching({});
    const { client, queue } = pair;
    await pair.server.close();
    const calls = Promise.all(["a", "b", "c"].map((text) => client.call("echo", text)));
    await using peer = await AmqpPeer.open();
    await peer.giveBack(queue, { requeue: true });
    const redeliveries: number[] = [];
    await using server = await RpcServer.listen(brokerUrl(), {
      queue,
      handlers: {
        echo(input, context) {
          redeliveries.push(context.redeliveries);
          return input;
        },
      },
    });
    assertEquals(await calls, ["a", "b", "c"]);
    assertEquals(redeliveries, [0, 0, 0]);
    await eventually(() => assertEquals(server.stats().succeeded, 3));
    await eventually(async () => assertEquals(await peer.countMessages(queue), 0));
  },
);

testPairs("All calls of a batch that no queue takes are unroutable", async (startBatching) => {
  await using pair = await startBatching({});
  await pair.server.close();
  await deleteQueue(pair.queue);
  const calls = [1, 2, 3].map((n) => assertRejects(() => pair.client.call("echo", n), RpcError));
  const errors = await Promise.all(calls);
  assertEquals(errors.map(({ code }) => code), ["unroutable", "unroutable", "unroutable"]);
});

testPairs("All calls of a batch that its queue drops are told why", async (startBatching) => {
  await using pair = await startBatching({});
  await pair.server.close();
  const errors = await Promise.all(
    [1, 2, 3].map((n) =>
      assertRejects(() => pair.client.call("echo", n, { timeoutMs: 400 }), RpcError)
    ),
  );
  for (const { code } of errors) assert(code === "expired" || code === "timeout", code);
});

testPairs("A batch that is too large for its limit goes as its calls", async (startBatching) => {
  await using pair = await startBatching({}, { client: { maxBodyBytes: 1_000 } });
  const text = "x".repeat(300);
  const texts = Array.from({ length: 10 }, (_, number) => `${number}${text}`);
  assertEquals(await Promise.all(texts.map((text) => pair.client.call("echo", text))), texts);
});

Deno.test("A batch that comes again takes no server down, whatever its parts have", async () => {
  const held = Promise.withResolvers<void>();
  await using pair = await startPair({ slow: () => held.promise }, { server: { prefetch: 1 } });
  await using peer = await AmqpPeer.open();
  // Alone, it would have the broker close the channel of whoever sends it.
  const common = { type: "slow", contentType: "application/json", headers: { CC: "elsewhere" } };
  const body = writeBatch(common, [{ id: "a", body: "1" }, { id: "b", body: "1" }]);
  await peer.send(pair.queue, body, { ...BATCH, replyTo: peer.replyQueue });
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  await pair.server.close({ graceMs: 0 });
  held.resolve();
  const losses: unknown[] = [];
  await using second = await RpcServer.listen(pair.url, {
    queue: pair.queue,
    handlers: { slow: () => {} },
    onEvent: (event) => event.type === "disconnected" && losses.push(event.error),
  });
  await eventually(() => assertEquals(second.stats().succeeded, 2));
  assertEquals(losses, []);
});
