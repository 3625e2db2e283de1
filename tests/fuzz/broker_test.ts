import { assert, assertEquals } from "../../deps/std_assert.ts";
import { fc } from "../../deps/fast_check.ts";
import { z } from "../../deps/zod.ts";
import { RpcClient, RpcError } from "../../mod.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { procedure } from "../../extras/schema.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";
import { type Envelope, envelopes, KNOWN_IDS, SEED } from "./envelopes.ts";

/** Messages of each kind, of which there are three; to be set from outside to search further. */
const MESSAGES = Number(Deno.env.get("FUZZ_MESSAGES") ?? 3_400);
const BATCH = 200;
const LIMIT_MS = 60_000 + 20 * MESSAGES;

const handlers = {
  echo: (input: unknown) => input,
  fail() {
    throw new RangeError("Cannot");
  },
  throwInput(input: unknown) {
    throw input;
  },
  area: procedure({ input: z.object({ width: z.number() }) }, ({ width }) => width * width),
  odd: (input: unknown) => new Map([[input, input]]),
};

function samples(): Envelope[] {
  return fc.sample(envelopes, { numRuns: MESSAGES, seed: SEED }).map(sparingTheBroker);
}

/** RabbitMQ 3.10's queues crash when they are to add to an odd `x-death`: see docs/chaos.md. */
function sparingTheBroker({ properties, body }: Envelope): Envelope {
  const { expiration: _, ...rest } = properties;
  const isOdd = properties.headers !== undefined && "x-death" in properties.headers;
  return { body, properties: isOdd ? rest : properties };
}

/** The same to amqplib, which knows no property that is there and undefined. */
function toOptions({ properties }: Envelope): Parameters<AmqpPeer["send"]>[2] {
  return properties as Parameters<AmqpPeer["send"]>[2];
}

/** Sends messages to a queue, so many at a time. */
async function sendAll(peer: AmqpPeer, queue: string, messages: readonly Envelope[]) {
  await inBatches(messages, (message) => peer.send(queue, message.body, toOptions(message)));
}

async function inBatches(
  messages: readonly Envelope[],
  send: (message: Envelope) => Promise<void>,
): Promise<void> {
  for (let first = 0; first < messages.length; first += BATCH) {
    await Promise.all(messages.slice(first, first + BATCH).map(send));
  }
}

Deno.test(`A server outlives ${MESSAGES} odd requests from the broker, seed ${SEED}`, async () => {
  const server = { codecs: [msgpackCodec], prefetch: 100 };
  await using pair = await startPair(handlers, { server });
  await using peer = await AmqpPeer.open();
  const withReplies = samples().map(({ body, properties }, index) => ({
    body,
    properties: index % 2 === 0 ? { ...properties, replyTo: peer.replyQueue } : properties,
  }));
  await within(LIMIT_MS, "the requests", sendAll(peer, pair.queue, withReplies));
  assertEquals(await within(LIMIT_MS, "a good call", pair.client.call("echo", 1)), 1);
  await eventually(() => assertEquals(pair.server.stats().active, 0), LIMIT_MS);
  const { succeeded, failed, orphaned, expired, cancelled, unpublished, replyToRefused } = pair
    .server
    .stats();
  const settled = succeeded + failed + orphaned + expired + cancelled + unpublished +
    replyToRefused;
  // The others have expired in the queue.
  assert(settled <= MESSAGES + 1 && settled > 0.9 * MESSAGES, `${settled} were settled`);
  const types = new Set(pair.serverEvents.map(({ type }) => type));
  // Deadlines may be from any time.
  types.delete("clocks-differ");
  assertEquals([...types].toSorted(), ["connected", "parked", "served"]);
  assertEquals(pair.clientEvents.map(({ type }) => type), ["connected"]);
});

Deno.test(`A client outlives ${MESSAGES} odd replies from the broker, seed ${SEED}`, async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  const events: string[] = [];
  await using client = await RpcClient.connect(brokerUrl(), {
    queue,
    codecs: [msgpackCodec],
    onEvent: ({ type }) => type !== "call-settled" && events.push(type),
  });
  const calls = KNOWN_IDS.map((id) => client.call(id).catch((error) => error));
  const sent = await Promise.all(calls.map(() => nextOf(requests)));
  const ids = new Map(KNOWN_IDS.map((id, index) => [id, sent[index]?.properties.correlationId]));
  const replies = samples().map(({ body, properties }) => {
    const { correlationId = "" } = properties;
    const id = ids.get(correlationId) ?? correlationId;
    return { body, properties: { ...properties, correlationId: id } };
  });
  const replyTo = sent[0]?.properties.replyTo;
  await within(LIMIT_MS, "the replies", sendAll(peer, replyTo, replies));
  for (const outcome of await within(LIMIT_MS, "the calls", Promise.all(calls))) {
    assert(!(outcome instanceof Error) || outcome instanceof RpcError);
  }
  const last = client.call("last");
  const { correlationId } = (await nextOf(requests)).properties;
  await peer.send(replyTo, "1", { correlationId });
  assertEquals(await within(LIMIT_MS, "a good call", last), 1);
  assertEquals([client.pending, events], [0, ["connected"]]);
});

Deno.test(`A server outlives ${MESSAGES} odd control messages, seed ${SEED}`, async () => {
  await using pair = await startPair(handlers);
  await using peer = await AmqpPeer.open();
  const call = (message: Envelope) => {
    const publishing = peer.publish("rpc.control", pair.queue, message.body, toOptions(message));
    // Nobody's message may end the work of others, whose correlation ids it cannot know.
    return Promise.all([publishing, pair.client.call("echo", 1)]).then(([, output]) =>
      assertEquals(output, 1)
    );
  };
  await within(LIMIT_MS, "the messages and calls", inBatches(samples(), call));
  await eventually(() => {
    const { succeeded, cancelled, active } = pair.server.stats();
    assertEquals([succeeded, cancelled, active], [MESSAGES, 0, 0]);
  }, LIMIT_MS);
  assertEquals(
    new Set(pair.serverEvents.map(({ type }) => type)),
    new Set(["connected", "served"]),
  );
  assertEquals(pair.clientEvents.map(({ type }) => type), ["connected"]);
});
