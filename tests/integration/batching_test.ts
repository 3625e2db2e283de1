import { Buffer } from "node:buffer";
import { assert, assertEquals, assertGreater, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, RpcError, RpcRemoteError, RpcServer } from "../../mod.ts";
import { AmqpPeer, type PeerMessage } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const BATCH = { contentType: "application/vnd.warren.rpc-batch", type: "rpc.batch" };
const KNOWS_BATCHES = { "rpc-batches": true };

/** A pair whose client has heard that its server takes batches. */
async function startBatching(...args: Parameters<typeof startPair>): Promise<Pair> {
  const [handlers, options] = args;
  const pair = await startPair({ echo, ...handlers }, {
    ...options,
    client: { batching: true, ...options?.client },
  });
  assertEquals(await pair.client.call("echo", "hello"), "hello");
  return pair;
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

Deno.test("Calls of one turn share a message once a server has said that it takes batches", async () => {
  await using hand = await startPeer();
  const calls = Promise.all(["a", "b", "c"].map((text) => hand.client.call("echo", text)));
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

Deno.test("Each call of a batch has its own output, error, time and cancellation", async () => {
  const stopped: unknown[] = [];
  await using pair = await startBatching({
    fail: (text) => Promise.reject(new RangeError(String(text))),
    hang: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          stopped.push(signal.reason.code);
          reject(signal.reason);
        });
      }),
  });
  const controller = new AbortController();
  const { client } = pair;
  const results = await Promise.allSettled([
    client.call("echo", "ä"),
    client.call("fail", "wrong"),
    client.call("nobody", 1),
    client.call("hang", 1, { timeoutMs: 29_000, signal: controller.signal }),
    ...Array.from({ length: 300 }, (_, number) => client.call("echo", { number })),
    client.call("echo", new Uint8Array([1, 2])).finally(() => controller.abort("enough")),
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
});

Deno.test("A server runs no more of a batch at a time than its prefetch", async () => {
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

Deno.test("RpcServer.close() serves what it has of a batch", async () => {
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

Deno.test("A batch that comes again is taken apart, so that its requests are counted for themselves", async () => {
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
});

Deno.test("All calls of a batch that no queue takes are unroutable", async () => {
  await using pair = await startBatching({});
  await pair.server.close();
  await deleteQueue(pair.queue);
  const calls = [1, 2, 3].map((n) => assertRejects(() => pair.client.call("echo", n), RpcError));
  const errors = await Promise.all(calls);
  assertEquals(errors.map(({ code }) => code), ["unroutable", "unroutable", "unroutable"]);
});

Deno.test("All calls of a batch that its queue drops are told why", async () => {
  await using pair = await startBatching({});
  await pair.server.close();
  const errors = await Promise.all(
    [1, 2, 3].map((n) =>
      assertRejects(() => pair.client.call("echo", n, { timeoutMs: 400 }), RpcError)
    ),
  );
  for (const { code } of errors) assert(code === "expired" || code === "timeout", code);
});

Deno.test("A batch that is too large for its limit goes as its calls", async () => {
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
