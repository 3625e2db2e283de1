import { assert, assertEquals, assertLess, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, type RpcClientOptions, RpcError } from "../../mod.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

const UUID_REGEXP = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

/** A client, and a peer that sees its requests and may answer what it likes. */
async function startByHand(
  stack: AsyncDisposableStack,
  options: Partial<RpcClientOptions> = {},
) {
  const peer = stack.use(await AmqpPeer.open());
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue, ...options }));
  stack.defer(() => client.close({ graceMs: 0 }));
  const nextRequest = () => nextOf(requests).then(({ properties }) => properties);
  return { peer, client, nextRequest };
}

Deno.test("Threat: forged replies are dropped and counted", async () => {
  await using stack = new AsyncDisposableStack();
  const { peer, client, nextRequest } = await startByHand(stack);
  const call = client.call("add", 1);
  const { replyTo, correlationId } = await nextRequest();
  const guesses = ["1", "", correlationId.toUpperCase(), `${correlationId} `, "__proto__"];
  for (const guess of guesses) await peer.send(replyTo, "666", { correlationId: guess });
  for (let n = 0; n < 100; n++) {
    await peer.send(replyTo, "666", { correlationId: crypto.randomUUID() });
  }
  await eventually(() => assertEquals(client.stats().unknownReplies, guesses.length + 100));
  assertEquals(client.pending, 1);
  await peer.send(replyTo, "2", { correlationId });
  assertEquals(await call, 2);
});

Deno.test("Threat: correlation ids and reply queues cannot be guessed", async () => {
  await using stack = new AsyncDisposableStack();
  const { client, nextRequest } = await startByHand(stack);
  const other = await startByHand(stack);
  const ids: string[] = [];
  const queues = new Set<string>();
  for (const hand of [{ client, nextRequest }, other]) {
    for (let n = 0; n < 200; n++) {
      hand.client.call("add", n).catch(() => {});
      const { replyTo, correlationId } = await hand.nextRequest();
      assert(UUID_REGEXP.test(correlationId));
      ids.push(correlationId);
      queues.add(replyTo);
    }
  }
  assertEquals(new Set(ids).size, 400);
  // Of a UUIDv7, the last 62 bits are random: each of them must be 0 and 1 about as often.
  const tails = ids.map((id) => BigInt(`0x${id.replaceAll("-", "").slice(16)}`));
  for (let bit = 0n; bit < 62n; bit++) {
    const ones = tails.filter((tail) => (tail >> bit) & 1n).length;
    assert(ones > 120 && ones < 280, `bit ${bit} is 1 in ${ones} of 400`);
  }
  // The broker adds 128 random bits to the name: 22 characters in base 64.
  assertEquals(queues.size, 2);
  for (const queue of queues) assert(/^amq\.gen-[\w-]{22}$/.test(queue), queue);
});

Deno.test("Threat: nobody else reads somebody's replies", async () => {
  await using stack = new AsyncDisposableStack();
  const { client, nextRequest } = await startByHand(stack);
  client.call("add", 1).catch(() => {});
  const { replyTo } = await nextRequest();
  await using thief = await AmqpPeer.open();
  const error = await assertRejects(() => thief.messages(replyTo), Error);
  assert(error.message.includes("405"), error.message);
});

Deno.test("Threat: a giant reply is refused, and nothing of it is kept", async () => {
  await using stack = new AsyncDisposableStack();
  const { peer, client, nextRequest } = await startByHand(stack, { maxBodyBytes: 1_000 });
  const body = new Uint8Array(8 * 2 ** 20).fill(0x39);
  const call = client.call("add", 1);
  const { replyTo, correlationId } = await nextRequest();
  const failed = assertRejects(() => call, RpcError);
  await peer.send(replyTo, body, { correlationId });
  assertEquals((await failed).code, "too-large");
  const before = Deno.memoryUsage().rss;
  for (let n = 0; n < 40; n++) await peer.send(replyTo, body, { correlationId });
  await eventually(() => assertEquals(client.stats().duplicateReplies, 40));
  // 320 MiB went through this process twice, as the thief's own and as the client's.
  assertLess(Deno.memoryUsage().rss - before, 200 * 2 ** 20);
});

Deno.test("Threat: a flood of replies leaves nothing behind", async () => {
  await using stack = new AsyncDisposableStack();
  const { peer, client, nextRequest } = await startByHand(stack);
  const call = client.call("add", 1);
  const { replyTo, correlationId } = await nextRequest();
  const flood = (count: number) =>
    Promise.all(
      Array.from(
        { length: count },
        () => peer.send(replyTo, "666", { correlationId: crypto.randomUUID() }),
      ),
    );
  for (let round = 0; round < 10; round++) await flood(500);
  await eventually(() => assertEquals(client.stats().unknownReplies, 5_000));
  await peer.send(replyTo, "2", { correlationId });
  assertEquals([await call, client.pending], [2, 0]);
});

Deno.test("Threat: maxPending bounds the calls that a slow server leaves", async () => {
  await using stack = new AsyncDisposableStack();
  const { client, nextRequest } = await startByHand(stack, { maxPending: 3, timeoutMs: 500 });
  const calls = Array.from({ length: 20 }, (_, n) => client.call("add", n));
  const outcomes = Promise.allSettled(calls);
  for (let n = 0; n < 3; n++) await nextRequest();
  const { pending, waiting } = client.stats();
  assertEquals([pending, waiting], [3, 17]);
  const codes = (await outcomes).map((outcome) =>
    outcome.status === "rejected" && outcome.reason instanceof RpcError && outcome.reason.code
  );
  assertEquals(codes.filter((code) => code === "timeout" || code === "overloaded").length, 20);
  assertEquals(client.pending, 0);
});

Deno.test("Threat: a server that sends more items than it may is cut off", async () => {
  await using stack = new AsyncDisposableStack();
  const { peer, client, nextRequest } = await startByHand(stack);
  const stream = client.stream("count", 1, { credits: 4 });
  const first = stream.next();
  const { replyTo, correlationId } = await nextRequest();
  const send = (seq: number) =>
    peer.send(replyTo, String(seq), {
      correlationId,
      type: "item",
      headers: { "rpc-seq": seq, "rpc-credit-to": "amq.gen-nobody" },
    });
  // From 0 on in order, and far ahead without it.
  for (let seq = 0; seq < 60; seq++) await send(seq);
  for (let seq = 1_000; seq < 1_100; seq++) await send(seq);
  assertEquals(await first, { done: false, value: 0 });
  const error = await assertRejects(async () => {
    for await (const _ of stream);
  }, RpcError);
  assertEquals(error.code, "protocol");
  assertEquals(client.pending, 0);
});

Deno.test("Threat: a server cannot have its client publish to any queue", async () => {
  await using stack = new AsyncDisposableStack();
  const { peer, client, nextRequest } = await startByHand(stack);
  const victim = await peer.declareQueue();
  const stream = client.stream("count", 1, { credits: 2 });
  const all = Array.fromAsync(stream);
  const { replyTo, correlationId } = await nextRequest();
  for (let seq = 0; seq < 4; seq++) {
    const headers = { "rpc-seq": seq, "rpc-credit-to": victim };
    await peer.send(replyTo, String(seq), { correlationId, type: "item", headers });
  }
  await peer.send(replyTo, "", { correlationId, type: "end", headers: { "rpc-seq": 4 } });
  assertEquals(await all, [0, 1, 2, 3]);
  await client.notify("marker");
  assertEquals(await peer.countMessages(victim), 0);
});

Deno.test("Threat: items and progress of any size do not fill a client's memory", async () => {
  await using stack = new AsyncDisposableStack();
  const failures: unknown[] = [];
  const { peer, client, nextRequest } = await startByHand(stack, {
    maxBodyBytes: 1_000,
    onEvent: (event) => event.type === "callback-failed" && failures.push(event.error),
  });
  const told: unknown[] = [];
  const onProgress = (value: unknown) => told.push(value);
  const items = Array.fromAsync(client.stream("read", null, { onProgress }));
  const { replyTo, correlationId } = await nextRequest();
  for (const type of ["progress", "item"]) {
    const body = new Uint8Array(1_001);
    const headers = { "rpc-seq": 0 };
    const contentType = "application/octet-stream";
    await peer.send(replyTo, body, { correlationId, type, headers, contentType });
  }
  const error = await assertRejects(() => items, RpcError, 'the limit "maxBodyBytes" is 1000');
  assertEquals([error.code, told], ["too-large", []]);
  assertEquals(failures.map((failure) => failure instanceof RpcError && failure.code), [
    "too-large",
  ]);
});
