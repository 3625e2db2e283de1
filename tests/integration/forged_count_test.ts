/** What a publisher claims of earlier deliveries. @module */

import { RpcServer } from "../../mod.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { startPair } from "../helpers/pair.ts";

/** From 20 on, a request is parked and not run. */
const CLAIMS = [1, 20, 2 ** 31 - 1];

Deno.test("RpcServer runs a new request whatever count its publisher claims", async () => {
  let runs = 0;
  await using pair = await startPair({ count: () => ++runs });
  await using peer = await AmqpPeer.open();
  for (const claimed of CLAIMS) {
    const headers = { "x-delivery-count": claimed };
    const reply = await peer.request(pair.queue, "1", { type: "count", headers });
    assertEquals(JSON.parse(reply.content.toString()), runs);
  }
  assertEquals([runs, pair.server.stats().parked], [CLAIMS.length, 0]);
});

Deno.test("RpcServer believes the broker's count where a request came back", async () => {
  let runs = 0;
  const handlers = { count: () => ++runs };
  await using pair = await startPair(handlers);
  await using peer = await AmqpPeer.open();
  await pair.server.close();
  for (const claimed of CLAIMS) {
    const headers = { "x-delivery-count": claimed };
    await peer.send(pair.queue, "1", { type: "count", replyTo: peer.replyQueue, headers });
    await peer.giveBack(pair.queue, { requeue: true });
  }
  await using server = await RpcServer.listen(brokerUrl(), {
    log: false,
    queue: pair.queue,
    handlers,
  });
  for (const _claimed of CLAIMS) await peer.nextReply();
  assertEquals([runs, server.stats().parked], [CLAIMS.length, 0]);
});
