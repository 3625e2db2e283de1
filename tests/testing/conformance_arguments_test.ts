import { testUnless } from "../helpers/features.ts";
import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { type FieldValue, longString } from "../../testing/wire/field_value.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import {
  type ByVersion,
  declareQueue,
  NO_RABBITMQ,
  onBothBrokers,
  RABBITMQ,
  refusal,
  textOfBody,
} from "./helpers/both_brokers.ts";
import {
  consume,
  deadLetters,
  get,
  integer,
  lastDeath,
  publish,
  quorum,
  table,
} from "./helpers/steps.ts";

/** What a broker answers to a declaration: part of its refusal, or nothing if it takes it. */
const TAKEN = "";
const DENIED = "INTERNAL_ERROR - Feature `queue_master_locator` is deprecated.";
const UNSUPPORTED = `"unsupported queue type ''"`;

for (
  const [what, entries, answers] of [
    ["a locator", { "x-queue-master-locator": longString("client-local") }, {
      "3.10": TAKEN,
      "4.0": TAKEN,
      "4.3": DENIED,
    }],
    ["an odd locator", { "x-queue-master-locator": longString("odd") }, {
      "3.10": "INTERNAL_ERROR",
      "4.0": TAKEN,
      "4.3": DENIED,
    }],
    ["an empty type", { "x-queue-type": longString("") }, {
      "3.10": UNSUPPORTED,
      "4.0": UNSUPPORTED,
      "4.3": TAKEN,
    }],
  ] as readonly (readonly [string, Record<string, FieldValue>, ByVersion<string>])[]
) {
  onBothBrokers(`queue.declare with ${what}`, async ({ open, name, compat }) => {
    const client = await open();
    const values = { queue: name, durable: true, arguments: table(entries) };
    const expected = answers[compat];
    if (expected === TAKEN) return void await declareQueue(client, values);
    assertStringIncludes(await refusal(declareQueue(client, values)), expected);
  });
}

onBothBrokers("basic.cancel-ok is refused, as nobody waits for it", async ({ open, compat }) => {
  const client = await open();
  client.send(1, "basic.cancel-ok", { consumerTag: "c" });
  assertStringIncludes(
    await refusal(client.next(1, "basic.qos-ok")),
    compat === "4.3" ? "INTERNAL_ERROR" : "COMMAND_INVALID - unimplemented method",
  );
});

onBothBrokers("basic.consume looks for its queue before its tag", async ({ open }) => {
  const client = await open();
  const queue = await declareQueue(client, { exclusive: true });
  await client.openChannel(2);
  const consumed = { queue, consumerTag: "c" };
  await client.call(2, ["basic.consume", "basic.consume-ok"], consumed);
  const again = client.call(2, ["basic.consume", "basic.consume-ok"], { consumerTag: "c" });
  assertStringIncludes(await refusal(again), "NOT_FOUND - no previously declared queue");
});

onBothBrokers("Queue of type quorum delivers again what is over its limit", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  const arguments_ = quorum({ "x-max-length-bytes": integer(3) });
  await declareQueue(client, { queue, durable: true, arguments: arguments_ });
  await consume(client, queue);
  publish(client, queue, "more than three bytes");
  const { arguments: { deliveryTag } } = await client.next(1, "basic.deliver");
  client.send(1, "basic.reject", { deliveryTag, requeue: true });
  const again = await client.next(1, "basic.deliver");
  assertEquals([again.arguments.redelivered, textOfBody(again)], [true, "more than three bytes"]);
});

onBothBrokers("Queue of type quorum takes back consumer by consumer", async (bench) => {
  const client = await bench.open();
  const queue = bench.name;
  const arguments_ = quorum({ "x-delivery-limit": integer(5) });
  await declareQueue(client, { queue, durable: true, arguments: arguments_ });
  publish(client, queue, "fetched");
  await get(client, queue);
  for (const [tag, body] of [["z", "by z"], ["a", "by a"]] as const) {
    await client.call(1, ["basic.qos", "basic.qos-ok"], { prefetchCount: 1 });
    await consume(client, queue, tag);
    publish(client, queue, body);
    await client.next(1, "basic.deliver");
  }
  await client.call(1, ["channel.close", "channel.close-ok"], { replyCode: 200 });
  await client.openChannel(1);
  const order: string[] = [];
  for (let count = 0; count < 3; count++) order.push(textOfBody(await get(client, queue)));
  const isByTag = bench.compat === "3.10";
  assertEquals(order, isByTag ? ["fetched", "by a", "by z"] : ["by z", "by a", "fetched"]);
});

onBothBrokers("connection.close names the method that cannot be read", async ({ open }) => {
  const client = await open();
  client.write(Uint8Array.of(1, 0, 1, 0, 0, 0, 5, 0, 60, 0, 70, 0, 206));
  const { arguments: { replyCode, classId, methodId } } = await client.next(0, "connection.close");
  assertEquals([replyCode, classId, methodId], [501, 60, 70]);
});

onBothBrokers("Dead letter overwrites an odd x-death of its publisher", async (bench) => {
  const client = await bench.open();
  const dead = await declareQueue(client, { exclusive: true });
  const queue = await declareQueue(client, { exclusive: true, arguments: deadLetters(dead) });
  publish(client, queue, "x", { headers: table({ "x-death": longString("odd") }) });
  const { arguments: { deliveryTag } } = await get(client, queue);
  client.send(1, "basic.reject", { deliveryTag, requeue: false });
  const letter = await get(client, dead);
  assertEquals(lastDeath(letter), { queue, reason: "rejected", count: 1 });
  // Before 4.0 a death was the first of a message if nobody had written anything there.
  const isFirst = letter.properties?.headers.has("x-first-death-reason");
  assertEquals(isFirst, bench.compat !== "3.10");
});

onBothBrokers("basic.publish looks at CC before the delivery mode", async ({ open }) => {
  const client = await open();
  publish(client, "none", "x", { deliveryMode: 3, headers: table({ CC: longString("odd") }) });
  assertStringIncludes(
    await refusal(client.next(1, "basic.qos-ok")),
    'PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",longstr}',
  );
});

Deno.test(
  testUnless(NO_RABBITMQ, "RabbitMQ ends a silent client when TestBroker does, too", async () => {
    const ended = [RABBITMQ?.url, undefined].map(async (url) => {
      await using own = await TestBroker.start();
      using client = await RawClient.open(url ?? own.url, { heartbeat: 1 });
      await client.ended();
      return performance.now();
    });
    const [theirs = 0, ours = 0] = await Promise.all(ended);
    assertEquals(Math.abs(theirs - ours) < 1000, true, `${theirs - ours} ms apart`);
  }),
);
