import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import {
  assert,
  assertEquals,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { startPair } from "../helpers/pair.ts";
import {
  assertOnlyGuiltySuffer,
  countsOf,
  lossesOf,
  oversizeHandlers,
  startLimited,
} from "../helpers/refused_bodies.ts";

const MAX_BYTES = 1_048_576;

Deno.test(rabbitmqTest("A body that RabbitMQ refuses", async (t) => {
  await using node = await PrivateNode.start({ config: `max_message_size = ${MAX_BYTES}` });
  const limited = { url: node.url, maxBytes: MAX_BYTES };

  await t.step("is told to its caller alone, with an exclusive reply queue", async () => {
    await using pair = await startLimited(limited);
    await assertOnlyGuiltySuffer(pair, MAX_BYTES, { idempotent: false });
    assertEquals([lossesOf(pair), countsOf(pair.server)], [[], [0, 0, 0, 0]]);
  });

  await t.step("is told to its caller alone, by direct replies", async () => {
    await using pair = await startLimited(limited, { replyQueue: "direct" });
    await assertOnlyGuiltySuffer(pair, MAX_BYTES);
    assertEquals(countsOf(pair.server), [0, 0, 0, 0]);
    const losses = pair.clientEvents.filter(({ type }) => type === "disconnected");
    assertEquals(losses.length, 1, "once, to learn the limit");
  });

  await t.step("takes nothing with it that waits to be sent", async () => {
    await using pair = await startLimited(limited);
    const large = new Uint8Array(MAX_BYTES * 0.9);
    const outcomes = Array.from({ length: 60 }, async (_, n) => {
      const input = n % 20 === 5 ? new Uint8Array(MAX_BYTES + 1) : large;
      const output = await pair.client.call("echo", input).catch(({ code }) => code);
      return output instanceof Uint8Array ? output.length : output;
    });
    const expected = outcomes.map((_, n) => n % 20 === 5 ? "too-large" : large.length);
    assertEquals(await Promise.all(outcomes), expected);
    assertEquals(lossesOf(pair), []);
  });

  await t.step("is run once, by one of two servers, and by none that comes later", async () => {
    const queue = randomQueue();
    let runs = 0;
    const options = {
      queue,
      handlers: { ...oversizeHandlers(MAX_BYTES), text: () => "x".repeat(MAX_BYTES + ++runs) },
    };
    await using peer = await AmqpPeer.open(node.url);
    await peer.declareQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    // For whoever comes first, before anything has told the limit.
    await peer.send(queue, "", { type: "text", replyTo: peer.replyQueue, correlationId: "poison" });
    const servers = [
      await RpcServer.listen(node.url, { ...options, returns: false }),
      await RpcServer.listen(node.url, { ...options, returns: false }),
    ];
    const { properties, content } = await peer.nextReply();
    assertEquals([properties.type, properties.correlationId], ["error", "poison"]);
    assertEquals(JSON.parse(`${content}`).code, "too-large");
    await Promise.all(servers.map((server) => server.close()));
    await using _later = await RpcServer.listen(node.url, { ...options, returns: false });
    await using client = await RpcClient.connect(node.url, { queue });
    assertEquals(await client.call("echo", 1), 1);
    assertEquals([runs, await peer.countMessages(queue)], [1, 0]);
  });

  await t.step("is kept where it is parked, and all others are run again", async () => {
    // 3.10 reads the one, 4.x the other, for each channel that is opened.
    const setLimit = (bytes: number) =>
      node.ctl(
        "eval",
        `application:set_env(rabbit, max_message_size, ${bytes}), ` +
          `persistent_term:put(max_message_size, ${bytes}).`,
      );
    await setLimit(4 * MAX_BYTES);
    const echo = (value: unknown) => value;
    await using pair = await startPair({ echo }, { url: node.url });
    {
      await using peer = await AmqpPeer.open(node.url);
      for (const bytes of [1, 2 * MAX_BYTES, 2, 3 * MAX_BYTES, 3]) {
        const body = `"${"x".repeat(bytes)}"`;
        await peer.send(pair.queue, body, { type: "echo", replyTo: "elsewhere" });
      }
      await eventually(() => assertEquals(pair.server.stats().parked, 5));
    }
    await setLimit(MAX_BYTES);
    await using parked = await ParkedRequests.open(node.url, { queue: pair.queue });
    const error = await assertRejects(() => parked.redrive("all"), RpcError);
    assertEquals(error.code, "too-large");
    assertStringIncludes(error.message, `the broker's limit is ${MAX_BYTES}`);
    const kept = await parked.list();
    assertEquals(kept.map(({ bytes }) => bytes).sort(), [2 * MAX_BYTES + 2, 3 * MAX_BYTES + 2]);
    await eventually(() => assertEquals(pair.server.stats().succeeded, 3));
  });

  await t.step("does not hold up close()", async () => {
    const pair = await startLimited(limited);
    const guilty = Array.from(
      { length: 30 },
      () => pair.client.call("text").catch(({ code }) => code),
    );
    await eventually(() => assert(pair.server.stats().failed > 0));
    const startedAt = performance.now();
    await pair.server.close();
    assertLess(performance.now() - startedAt, 5_000);
    await pair.client.close({ graceMs: 0 });
    const codes = new Set(await Promise.all(guilty));
    assert(codes.isSubsetOf(new Set(["too-large", "closed"])), `${[...codes]}`);
    await pair[Symbol.asyncDispose]();
  });
}));

Deno.test(rabbitmqTest("A body that RabbitMQ refuses by default harms no other call", async () => {
  await using node = await PrivateNode.start();
  const maxBytes = 16 * 2 ** 20;
  await using pair = await startLimited({ url: node.url, maxBytes });
  await assertOnlyGuiltySuffer(pair, maxBytes);
  assertEquals([lossesOf(pair), countsOf(pair.server)], [[], [0, 0, 0, 0]]);
}, { needs: "a default limit of 16 MiB" }));
