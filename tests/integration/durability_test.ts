import { type Durability, RpcClient, RpcError, RpcServer } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertMatch,
  assertRejects,
} from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { testUnless, whyNoTransientQueues } from "../helpers/features.ts";
import { startPair } from "../helpers/pair.ts";

const noTransient = await whyNoTransientQueues();
const handlers = { echo: (value: unknown) => value };

/** What stands in the middle of the message for each pair of existing and wanted queue. */
const MISMATCHES: readonly [existing: Durability, wanted: Durability, differing: string][] = [
  ["transient", "replicated", "durable"],
  ["transient", "durable", "durable"],
  ["durable", "transient", "durable"],
  ["durable", "replicated", "x-queue-type"],
  ["replicated", "transient", "durable"],
  ["replicated", "durable", "x-queue-type"],
];

for (const [existing, wanted, differing] of MISMATCHES) {
  const missing = existing === "transient" ? noTransient : undefined;
  Deno.test(testUnless(
    missing,
    `RpcServer.listen() explains ${existing} where ${wanted} is set`,
    async () => {
      await using first = await startPair(handlers, { server: { durability: existing } });
      const options = { queue: first.queue, handlers };
      const { code, message } = await assertRejects(
        () => RpcServer.listen(first.url, { ...options, durability: wanted }),
        RpcError,
      );
      assertEquals(code, "misconfigured");
      assertMatch(message, new RegExp(`"${first.queue}".*"${differing}" is .*"${wanted}"`));
      const advice = /Set durability to "(\w+)"/.exec(message)?.[1];
      assertExists(advice, message);
      const durability = advice as Durability;
      await using _second = await RpcServer.listen(first.url, { ...options, durability });
      assertEquals(await first.client.call("echo", 1), 1);
    },
  ));
}

for (const durability of ["replicated", "durable", "transient", "existing"] as const) {
  const missing = durability === "transient" ? noTransient : undefined;
  Deno.test(testUnless(
    missing,
    `RpcServer.listen() joins a queue of its own kind: ${durability}`,
    async () => {
      const first = durability === "existing" ? "durable" : durability;
      await using pair = await startPair(handlers, { server: { durability: first } });
      const { queue, url } = pair;
      await using _second = await RpcServer.listen(url, {
        log: false,
        queue,
        handlers,
        durability,
      });
      assertEquals(await pair.client.call("echo", durability), durability);
    },
  ));
}

Deno.test("RpcServer.listen() says which queue is missing", async () => {
  const queue = randomQueue();
  const options = { queue, handlers, durability: "existing" } as const;
  const error = await assertRejects(() => RpcServer.listen(brokerUrl(), options), RpcError, queue);
  assertEquals([error.code, error.retryable], ["misconfigured", true]);
  assertMatch(error.message, /does not exist: declare it, or set "durability"/);
});

Deno.test("RpcServer.listen() explains that a queue is another's alone", async () => {
  await using peer = await AmqpPeer.open();
  const options = { queue: peer.replyQueue, handlers, durability: "existing" } as const;
  const error = await assertRejects(() => RpcServer.listen(brokerUrl(), options), RpcError);
  assertMatch(`${error.code} ${error.message}`, /^misconfigured .*another connection alone/);
});

Deno.test("RpcServer.listen() joins a queue with more arguments as existing", async () => {
  await using peer = await AmqpPeer.open();
  const queue = randomQueue();
  await peer.declareQueue(queue, { durable: true, arguments: { "x-max-length": 5 } });
  const listen = (durability: Durability) =>
    RpcServer.listen(brokerUrl(), { log: false, queue, handlers, durability });
  const { message } = await assertRejects(() => listen("durable"), RpcError, "x-max-length");
  assertMatch(message, /Set durability to "existing"/);
  await using _server = await listen("existing");
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  assertEquals(await client.call("echo", 1), 1);
});

Deno.test("RpcServer serves again after its queue was deleted", async () => {
  await using pair = await startPair(handlers);
  await deleteQueue(pair.queue);
  await eventually(() => {
    assert(pair.serverEvents.some(({ type }) => type === "consumer-cancelled"));
  });
  const echo = () => pair.client.call("echo", 1).catch((error) => error.code);
  await eventually(async () => assertEquals(await echo(), 1));
});
