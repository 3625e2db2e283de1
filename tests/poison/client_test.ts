import { assert, assertEquals, assertGreater } from "../../deps/std_assert.ts";
import { type ReplyQueue, RpcClient, RpcError } from "../../mod.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { POISON_MAX_BODY_BYTES, poisonCorpus } from "../../tools/raw/poison.ts";
import { RawPublisher } from "../../tools/raw/raw_publisher.ts";

const LIMIT_MS = 20_000;

/** Opens a client whose server is played by hand, and two ways to reply to it. */
async function startByHand(stack: AsyncDisposableStack, replyQueue: ReplyQueue) {
  const peer = stack.use(await AmqpPeer.open());
  const publisher = stack.use(await RawPublisher.open(brokerUrl()));
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  const events: string[] = [];
  const client = stack.use(
    await RpcClient.connect(brokerUrl(), {
      queue,
      replyQueue,
      maxBodyBytes: POISON_MAX_BODY_BYTES,
      timeoutMs: LIMIT_MS,
      onEvent: ({ type }) => type !== "call-settled" && events.push(type),
    }),
  );
  const nextRequest = () => nextOf(requests).then(({ properties }) => properties);
  return { peer, publisher, client, events, nextRequest };
}

/** Lets poison compete with the right reply for two calls; tells how much of it the broker took. */
async function poisonReplies(
  { peer, publisher, client, nextRequest }: Awaited<ReturnType<typeof startByHand>>,
): Promise<number> {
  const { length } = poisonCorpus({});
  let taken = 0;
  for (let index = 0; index < length; index++) {
    const innocent = client.call("innocent", index);
    const innocentRequest = await nextRequest();
    const victim = client.call("victim").then(() => undefined, (error) => error);
    const { replyTo, correlationId } = await nextRequest();
    const poison = poisonCorpus({ correlationId })[index];
    assert(poison !== undefined);
    const [outcome] = await Promise.all([
      publisher.publish(replyTo, poison),
      peer.send(replyTo, String(index), { correlationId: innocentRequest.correlationId }),
    ]);
    if (outcome === "confirmed") taken++;
    assertEquals(await within(LIMIT_MS, `"${poison.name}"`, innocent), index);
    // If the poison was not for the victim, or never came, this is its reply.
    await peer.send(replyTo, "1", { correlationId });
    const error = await within(LIMIT_MS, `the victim of "${poison.name}"`, victim);
    assert(error === undefined || error instanceof RpcError, `${poison.name}: ${error}`);
  }
  return taken;
}

async function assertOutlivesPoison(replyQueue: ReplyQueue): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const hand = await startByHand(stack, replyQueue);
  const { client, events } = hand;
  const taken = await poisonReplies(hand);
  const { length } = poisonCorpus({});
  assertGreater(taken, 0.8 * length);
  await eventually(() => {
    const { pending, waiting, duplicateReplies, unknownReplies } = client.stats();
    assertEquals([pending, waiting], [0, 0]);
    // For each victim came its poison and a reply; one of them was too much.
    assertEquals(duplicateReplies + unknownReplies, taken);
  });
  assertEquals(events, ["connected"]);
}

for (const replyQueue of ["exclusive", "direct"] as const) {
  Deno.test(`RpcClient outlives poison in its ${replyQueue} reply queue`, async () => {
    await assertOutlivesPoison(replyQueue);
  });
}

Deno.test("RpcClient outlives poison in its durable reply queue", async () => {
  await using peer = await AmqpPeer.open();
  const name = randomQueue();
  await using _ = { [Symbol.asyncDispose]: () => deleteQueue(`rpc.replies.${name}`) };
  await assertOutlivesPoison({ name });
  // Nothing stays there to poison the next start.
  await eventually(async () => assertEquals(await peer.countMessages(`rpc.replies.${name}`), 0));
});
