import { Buffer } from "node:buffer";
import { connect } from "../../deps/amqplib.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { randomQueue } from "../helpers/broker.ts";
import { within } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { startPair } from "../helpers/pair.ts";

const CONFIG = "consumer_timeout = 1000";
/** The broker looks for what is late every few seconds. */
const LIMIT_MS = 60_000;

/** Resolves when the broker has taken a request back from a consumer that has asked for nothing. */
async function untilOthersAreTimedOut(url: string): Promise<void> {
  const model = await connect(url);
  try {
    const channel = await model.createConfirmChannel();
    const { queue } = await channel.assertQueue(randomQueue(), {
      durable: true,
      arguments: { "x-queue-type": "quorum" },
    });
    channel.sendToQueue(queue, Buffer.from("1"));
    await within(
      LIMIT_MS,
      "the cancellation",
      new Promise<void>((resolve) => {
        void channel.consume(queue, (message) => {
          if (message === null) resolve();
        });
      }),
    );
  } finally {
    await model.close();
  }
}

const options = { needs: "time limits of single consumers" } as const;

Deno.test(rabbitmqTest("A server keeps long work in spite of consumer_timeout", async () => {
  await using node = await PrivateNode.start({ config: CONFIG });
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const handlers = {
    async long() {
      runs++;
      await gate.promise;
      return "done";
    },
  };
  await using pair = await startPair(handlers, { url: node.url });
  const call = pair.client.call("long", undefined, { timeoutMs: 2 * LIMIT_MS });
  await untilOthersAreTimedOut(node.url);
  gate.resolve();
  assertEquals(await call, "done");
  assertEquals(runs, 1);
  const ends = pair.serverEvents.map(({ type }) => type).filter((type) =>
    type === "consumer-cancelled" || type === "disconnected"
  );
  assertEquals(ends, []);
}, options));
