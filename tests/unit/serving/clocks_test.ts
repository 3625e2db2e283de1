import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { type CallContext, RpcServer, type RpcServerEvent } from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { AmqpPeer } from "../../helpers/amqp_peer.ts";

const queue = "math";
/** Ten minutes. */
const SKEW_MS = 600_000;

/** Serves a request of a caller with another clock: how long it still has, and the server's events. */
async function serve(
  { skewMs, expiration }: { readonly skewMs: number; readonly expiration: string | undefined },
): Promise<{ readonly leftMs: unknown; readonly events: RpcServerEvent[] }> {
  await using broker = await TestBroker.start();
  const events: RpcServerEvent[] = [];
  await using _server = await RpcServer.listen(broker.url, {
    queue,
    handlers: {
      left: (_: unknown, { deadline }: CallContext) =>
        deadline === undefined ? null : deadline - Date.now(),
    },
    onEvent: (event) => events.push(event),
  });
  await using peer = await AmqpPeer.open(broker.url);
  const deadline = Date.now() + 30_000 + skewMs;
  for (let n = 0; n < 2; n++) {
    await peer.send(queue, "null", {
      type: "left",
      correlationId: `${n}`,
      replyTo: peer.replyQueue,
      headers: { "rpc-deadline": deadline },
      ...(expiration !== undefined && { expiration }),
    });
  }
  const [reply] = [await peer.nextReply(), await peer.nextReply()];
  return { leftMs: JSON.parse(reply?.content.toString() ?? ""), events };
}

function toldOfClocks(events: readonly RpcServerEvent[]): number[] {
  return events.flatMap((event) => event.type === "clocks-differ" ? [event.aheadMs] : []);
}

Deno.test("A server whose clock is ahead serves what the broker has not expired", async () => {
  const { leftMs, events } = await serve({ skewMs: -SKEW_MS, expiration: "30000" });
  assert(typeof leftMs === "number" && leftMs > 20_000 && leftMs <= 30_000, `${leftMs}`);
  // Once, for two requests.
  const [aheadMs = 0, ...others] = toldOfClocks(events);
  assert(aheadMs > SKEW_MS - 30_000 - 1 && aheadMs < SKEW_MS, `${aheadMs}`);
  assertEquals(others, []);
});

Deno.test("A server whose clock is ahead serves what is for now or never", async () => {
  const { leftMs, events } = await serve({ skewMs: -SKEW_MS, expiration: "0" });
  assertEquals([leftMs, toldOfClocks(events).length], [null, 1]);
});

Deno.test("A server whose clock is behind stops in time, and says so", async () => {
  const { leftMs, events } = await serve({ skewMs: SKEW_MS, expiration: "30000" });
  assert(typeof leftMs === "number" && leftMs > 20_000 && leftMs <= 30_000, `${leftMs}`);
  const [aheadMs = 0] = toldOfClocks(events);
  assert(aheadMs < -SKEW_MS + 30_000 && aheadMs >= -SKEW_MS, `${aheadMs}`);
});

Deno.test("Clocks that agree within five seconds are nobody's concern", async () => {
  for (const skewMs of [-4_000, 0, 4_000]) {
    assertEquals(toldOfClocks((await serve({ skewMs, expiration: "30000" })).events), []);
  }
});
