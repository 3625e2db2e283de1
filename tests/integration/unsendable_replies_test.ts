import type { Handler, PoolHandler } from "../../contract.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../deps/std_assert.ts";
import type { EncodedReply } from "../../internal/encoded_reply.ts";
import { sealHandler } from "../../internal/running/encoded_handler.ts";
import { RpcRemoteError, type RpcServerOptions } from "../../mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const echo = (value: unknown) => value;

/** A server that does not settle a request has no room for the innocent one after it. */
function startNarrow(handlers: RpcServerOptions["handlers"]): Promise<Pair> {
  return startPair({}, { server: { prefetch: 1, handlers } });
}

/** A handler that encodes its own replies, badly. */
function replyingWith(reply: object): PoolHandler<Handler> {
  return sealHandler({ handle: () => Promise.resolve(reply as EncodedReply) });
}

Deno.test("RpcServer answers in words when a reply does not fit into a message", async () => {
  const bad = {
    longType: { type: "output", body: "1", contentType: "x".repeat(256) },
    noType: { type: "output", body: "1" },
    // As long as a text that would do, so that only publishing finds it out.
    noBody: { type: "output", body: [1, 2, 3], contentType: "application/json" },
    nothing: undefined,
  };
  const handlers = Object.fromEntries(
    Object.entries(bad).map(([name, reply]) => [name, replyingWith(reply as object)]),
  );
  await using pair = await startNarrow({ ...handlers, echo });
  const reasons = {
    longType: "content type",
    noType: "undefined",
    noBody: "not fit into a message",
  };
  for (const [name, reason] of Object.entries(reasons)) {
    const error = await assertRejects(() => pair.client.call(name, 1), RpcRemoteError, reason);
    assertEquals(error.code, "unencodable");
    assertEquals(await pair.client.call("echo", name), name);
  }
  await assertRejects(() => pair.client.call("nothing", 1), RpcRemoteError);
  assertEquals(await pair.client.call("echo", 1), 1);
  assertEquals(pair.server.stats().failed, 4);
});

Deno.test("RpcServer answers a request whose callback is too long to be sent back", async () => {
  await using pair = await startNarrow({ echo });
  await using peer = await AmqpPeer.open();
  const headers = { "rpc-callback": "x".repeat(60_000) };
  const reply = await peer.request(pair.queue, "1", { headers });
  assertEquals([reply.properties.type, String(reply.content)], ["output", "1"]);
  assertEquals(await pair.client.call("echo", 2), 2);
});

Deno.test("RpcServer ends a stream with the item that does not fit into a message", async () => {
  const handler = sealHandler<Handler>({
    handle: () => Promise.reject(new Error("Not called")),
    start(_request, sink) {
      sink.onItem?.({ seq: 0, body: "0", contentType: "application/json" });
      sink.onItem?.({ seq: 1, body: "1", contentType: "x".repeat(256) });
      const reply = Promise.resolve<EncodedReply>(
        { type: "output", body: "", contentType: "application/json" },
      );
      return { reply, grant: () => {} };
    },
  });
  await using pair = await startNarrow({ count: handler, echo });
  const items: unknown[] = [];
  const error = await assertRejects(async () => {
    for await (const item of pair.client.stream("count", 1)) items.push(item);
  }, RpcRemoteError);
  assertEquals([items, error.code], [[0], "unencodable"]);
  assertStringIncludes(error.message, "not fit into a message");
  assertEquals(await pair.client.call("echo", 1), 1);
});
