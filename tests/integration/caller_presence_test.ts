import { assertEquals } from "../../deps/std_assert.ts";
import type { CallContext } from "../../mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

/** Longer than it takes until a server looks for the reply queues of what runs. */
const LONG_MS = 3_000;

/** What the broker takes for its own; some of these end the connection of whoever declares them. */
const DIRECT = [
  "",
  ".x",
  "-x",
  ".",
  ".a.b",
  ".a.b.c",
  ".g1h3CnhAbm8td2hlcmUAAAABAAAAAAAAAAE=.b",
].map((end) => `amq.rabbitmq.reply-to${end}`);

const ODD = ["amq.gen-\n", "amq.gen-\u0000", "amq.gen-".padEnd(255, "x"), "rpc.replies./../x"];

const hang = (_: unknown, { signal }: CallContext): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return promise;
};

Deno.test("RpcServer loses no connection to any reply address", async () => {
  let runs = 0;
  const handlers = {
    async slow() {
      runs++;
      await new Promise((resolve) => setTimeout(resolve, LONG_MS));
    },
    echo: (value: unknown) => value,
  };
  await using pair = await startPair(handlers, { server: { replyQueues: /./ } });
  await using peer = await AmqpPeer.open();
  // One that is well made is let in, and RabbitMQ up to 3.11 ends the connection that replies to it.
  const madeUp = DIRECT.slice(1, -1);
  for (const replyTo of [...madeUp, ...ODD]) {
    await peer.send(pair.queue, "1", { replyTo, type: "slow" });
  }
  await eventually(() => {
    const { replyToRefused, orphaned } = pair.server.stats();
    assertEquals([replyToRefused, orphaned], [madeUp.length, ODD.length]);
    // The client of a durable reply queue has 5 s more to declare it.
  }, 4 * LONG_MS);
  assertEquals(runs, ODD.length);
  assertEquals(await pair.client.call("echo", 1), 1);
  assertEquals(pair.serverEvents.filter(({ type }) => type === "disconnected"), []);
});

Deno.test("RpcServer does not look at an address of direct reply-to", async () => {
  await using pair = await startPair({ hang });
  await using peer = await AmqpPeer.open();
  await peer.send(pair.queue, "1", { replyTo: DIRECT.at(-1) ?? "", type: "hang" });
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  await new Promise((resolve) => setTimeout(resolve, LONG_MS));
  assertEquals(pair.server.stats().active, 1);
  assertEquals(pair.serverEvents.filter(({ type }) => type === "disconnected"), []);
  await pair.server.close({ graceMs: 0 });
});

Deno.test("RpcServer stops working for a caller that is gone", async () => {
  await using pair = await startPair({ hang });
  {
    await using peer = await AmqpPeer.open();
    await peer.send(pair.queue, "1", { replyTo: peer.replyQueue, type: "hang" });
    await eventually(() => assertEquals(pair.server.stats().active, 1));
  }
  await eventually(() => assertEquals(pair.server.stats().orphaned, 1), 2 * LONG_MS);
  assertEquals(pair.server.stats().active, 0);
});
