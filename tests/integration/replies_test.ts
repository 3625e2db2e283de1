import { RpcClient, RpcError, RpcRemoteError, RpcTimeoutError } from "../../mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf, type PeerMessage } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

/** A client whose server is played by hand. */
async function startByHand(options: { readonly maxBodyBytes?: number } = {}) {
  await using stack = new AsyncDisposableStack();
  const peer = stack.use(await AmqpPeer.open());
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  const client = stack.use(await RpcClient.connect(brokerUrl(), { queue, ...options }));
  const owned = stack.move();
  return {
    peer,
    client,
    nextRequest: () => nextOf(requests),
    async reply(
      { properties: { replyTo, correlationId } }: PeerMessage,
      body: string | Uint8Array,
      properties = {},
    ) {
      await peer.send(replyTo, body, { correlationId, ...properties });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("RpcClient drops and counts the second of two replies", async () => {
  await using hand = await startByHand();
  const call = hand.client.call("add", 1);
  const request = await hand.nextRequest();
  await hand.reply(request, "1");
  await hand.reply(request, "2");
  assertEquals(await call, 1);
  await eventually(() => assertEquals(hand.client.stats().duplicateReplies, 1));
});

Deno.test("RpcClient drops and counts a reply that comes too late", async () => {
  await using hand = await startByHand();
  const call = assertRejects(
    () => hand.client.call("add", 1, { timeoutMs: 200 }),
    RpcTimeoutError,
  );
  const request = await hand.nextRequest();
  await call;
  await hand.reply(request, "1");
  await eventually(() => assertEquals(hand.client.stats().lateReplies, 1));
  await hand.reply(request, "1");
  await eventually(() => assertEquals(hand.client.stats().lateReplies, 2));
});

Deno.test("RpcClient drops and counts replies that it does not know", async () => {
  await using hand = await startByHand();
  const call = hand.client.call("add", 1);
  const request = await hand.nextRequest();
  await hand.reply(request, "666", { correlationId: crypto.randomUUID() });
  await hand.reply(request, "666", { correlationId: undefined });
  await eventually(() => assertEquals(hand.client.stats().unknownReplies, 2));
  assertEquals(hand.client.pending, 1);
  await hand.reply(request, "2");
  assertEquals(await call, 2);
});

Deno.test("RpcClient takes a reply without type or content type", async () => {
  await using hand = await startByHand();
  const call = hand.client.call("fibonacci", 100);
  await hand.reply(await hand.nextRequest(), "354224848179261915075");
  assertEquals(await call, 354224848179261915075n);
});

Deno.test("RpcClient.call() rejects a reply that cannot be decoded", async () => {
  await using hand = await startByHand();
  const garbage: [string | Uint8Array, object?][] = [
    ["{not JSON"],
    [new Uint8Array([0xff, 0xfe, 0x00])],
    ["[".repeat(100_000)],
    ["1", { contentType: "application/x-unheard-of" }],
    ["{", { type: "error" }],
  ];
  for (const [body, properties] of garbage) {
    const call = assertRejects(() => hand.client.call("add", 1), RpcError);
    await hand.reply(await hand.nextRequest(), body, properties);
    assertEquals((await call).code, "undecodable");
  }
  assertEquals(hand.client.pending, 0);
});

Deno.test("RpcClient.call() makes sense of a strange error reply", async () => {
  await using hand = await startByHand();
  const replies = ["null", "7", '"no"', "[]", '{"message":5,"code":{},"details":[1]}', ""];
  for (const body of replies) {
    const call = assertRejects(() => hand.client.call("add", 1), RpcRemoteError);
    await hand.reply(await hand.nextRequest(), body, { type: "error" });
    const { code, remoteName, message } = await call;
    assertEquals([code, remoteName, typeof message], ["handler-error", "Error", "string"]);
  }
});

Deno.test("RpcClient.call() rejects a reply over maxBodyBytes", async () => {
  await using hand = await startByHand({ maxBodyBytes: 1_000 });
  const call = assertRejects(() => hand.client.call("add", 1), RpcError);
  await hand.reply(await hand.nextRequest(), `"${"x".repeat(1_000)}"`);
  const error = await call;
  assertEquals(error.code, "too-large");
  assertStringIncludes(error.message, "1002 bytes");
});
