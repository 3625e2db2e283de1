import { type Handler, type PoolHandler, RpcError, RpcRemoteError, RpcServer } from "../../mod.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { sealHandler } from "../../internal/running/encoded_handler.ts";
import { encodeTable } from "../../testing/wire/field_table.ts";
import type { FieldTable } from "../../testing/wire/field_value.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { AmqpPeer, nextOf, type PeerMessage } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const FAULTY = new URL("../fixtures/workers/faulty_worker.ts", import.meta.url);
const STREAMING = new URL("../fixtures/workers/stream_worker.ts", import.meta.url);

/** What amqplib cannot decode. */
const DEPTH = 7_000;

/** A handler whose worker dies each time. */
function deadly(onRun: () => void = () => {}): PoolHandler<Handler> {
  return sealHandler({
    handle() {
      onRun();
      return Promise.reject(new RpcError("worker-crashed", "Cannot go on as the worker died"));
    },
  });
}

/** The one message in the parking queue of a pair, once it is there. */
async function parkedOf({ queue }: Pair): Promise<PeerMessage> {
  await using peer = await AmqpPeer.open();
  await eventually(async () => assertEquals(await countIn(`${queue}.parked`), 1));
  return await nextOf(await peer.messages(`${queue}.parked`));
}

/** How many messages a queue has; 0 if there is no such queue. */
async function countIn(queue: string): Promise<number> {
  await using peer = await AmqpPeer.open();
  return await peer.countMessages(queue).catch(() => 0);
}

async function isEmpty(queue: string): Promise<void> {
  await using peer = await AmqpPeer.open();
  await eventually(async () => assertEquals(await peer.countMessages(queue), 0));
}

function nested(depth: number): FieldTable {
  let table: FieldTable = new Map();
  for (let level = 0; level < depth; level++) {
    table = new Map([["k", { type: "table", value: encodeTable(table) }]]);
  }
  return table;
}

Deno.test("RpcServer parks a request whose worker died maxDeliveries times", async () => {
  let runs = 0;
  const handlers = { kill: deadly(() => runs++) };
  await using pair = await startPair({}, { server: { handlers, maxDeliveries: 2 } });
  const before = Date.now();
  const call = pair.client.call("kill", { n: 1 }, { idempotencyKey: "key" });
  assertEquals((await assertRejects(() => call, RpcRemoteError)).code, "worker-crashed");
  const { properties, content } = await parkedOf(pair);
  assertEquals([runs, content.toString()], [2, '{"n":1}']);
  const { headers = {}, type, messageId, contentType, expiration, deliveryMode } = properties;
  assertEquals([type, messageId, contentType], ["kill", "key", "application/json"]);
  assertEquals([expiration, deliveryMode], [undefined, 2]);
  assertEquals(headers["rpc-parked-reason"], "worker-crashed");
  assertEquals(headers["rpc-parked-queue"], pair.queue);
  assertEquals(headers["rpc-parked-deliveries"], 2);
  assertMatch(headers["rpc-parked-message"], /worker died/);
  assert(headers["rpc-parked-at"] >= before && headers["rpc-parked-at"] <= Date.now());
  assert(headers["rpc-deadline"] > before, "the request's own headers are kept");
  await isEmpty(pair.queue);
  const { parked, crashed, failed } = pair.server.stats();
  assertEquals([parked, crashed, failed], [1, 1, 1]);
  const event = pair.serverEvents.find(({ type }) => type === "parked");
  assertEquals(event, {
    type: "parked",
    procedure: "kill",
    code: "worker-crashed",
    id: headers["rpc-parked-id"],
  });
});

Deno.test("RpcServer parks what kills a worker of its pool", async () => {
  await using pool = await WorkerPool.open(FAULTY, { maxWorkers: 1 });
  const server = { handlers: pool.handlers(), maxDeliveries: 1, durability: "durable" as const };
  await using pair = await startPair({}, { server });
  await assertRejects(() => pair.client.call("exit", "input"), RpcRemoteError);
  const { content, properties } = await parkedOf(pair);
  assertEquals(content.toString(), '"input"');
  assertEquals(properties.headers?.["rpc-parked-reason"], "worker-crashed");
  assertEquals(await pair.client.call("echo", 1), 1);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`RpcServer parks a stream whose worker, a ${isolation}, dies each time`, async () => {
    await using pool = await WorkerPool.open(STREAMING, { maxWorkers: 1, isolation });
    // With a function beside them the prefetch stays, and with it the consumer, while there is no
    // worker: what is on its way to one that is cancelled would be one more delivery, and not run.
    const handlers = { ...pool.handlers(), ping: () => "pong" };
    await using pair = await startPair({}, { server: { handlers, prefetch: 8 } });
    // Its credits run out in the middle, so that those of a dead worker must not be waited for.
    const count = 100;
    const items: unknown[] = [];
    const error = await assertRejects(async () => {
      for await (const item of pair.client.stream("exitAfter", count)) items.push(item);
    }, RpcRemoteError);
    assertEquals(error.code, "worker-crashed");
    assertEquals(items, Array.from({ length: count }, (_, n) => n));
    const { properties } = await parkedOf(pair);
    assertEquals(properties.headers?.["rpc-parked-deliveries"], 3);
    await isEmpty(pair.queue);
    assertEquals(await Array.fromAsync(pair.client.stream("count", 2)), [0, 1]);
  });
}

Deno.test("RpcServer parks a notification that kills its worker", async () => {
  await using pair = await startPair({}, { server: { handlers: { kill: deadly() } } });
  await pair.client.notify("kill", 1);
  const { properties } = await parkedOf(pair);
  assertEquals(properties.headers?.["rpc-parked-deliveries"], 3);
  assertEquals(properties.replyTo, undefined);
});

Deno.test("RpcServer parks a request whose headers cannot be decoded", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  await using peer = await AmqpPeer.open();
  using raw = await RawClient.open(brokerUrl());
  await raw.openChannel(1);
  raw.send(1, "basic.publish", { routingKey: pair.queue }, {
    properties: { correlationId: "id", replyTo: peer.replyQueue, headers: nested(DEPTH) },
    body: new TextEncoder().encode("[1]"),
  });
  const reply = await peer.nextReply();
  assertEquals([reply.properties.type, reply.properties.correlationId], ["error", "id"]);
  assertEquals(JSON.parse(reply.content.toString()).code, "undecodable");
  const { properties, content } = await parkedOf(pair);
  assertEquals(content.toString(), "[1]");
  assertEquals(properties.headers?.["rpc-parked-reason"], "undecodable");
  assertEquals(await pair.client.call("echo", 2), 2);
  const lost = pair.serverEvents.filter(({ type }) => type === "disconnected");
  assertEquals(lost, []);
});

Deno.test("RpcServer neither runs nor answers a request with a refused replyTo", async () => {
  let runs = 0;
  await using pair = await startPair({ count: () => ++runs });
  await using peer = await AmqpPeer.open();
  const foreign = await peer.declareQueue();
  const refused = [foreign, pair.queue, `${pair.queue}.parked`, "amq.gen-", "rpc.replies."];
  for (const replyTo of refused) {
    await peer.send(pair.queue, "1", { type: "count", replyTo });
  }
  await eventually(() => assertEquals(pair.server.stats().replyToRefused, refused.length));
  assertEquals(await countIn(`${pair.queue}.parked`), refused.length);
  const parked = await peer.messages(`${pair.queue}.parked`);
  const replyTos = new Set<unknown>();
  for (const _ of refused) {
    const { headers, replyTo } = (await nextOf(parked)).properties;
    assertEquals(headers?.["rpc-parked-reason"], "reply-to-refused");
    replyTos.add(replyTo);
  }
  assertEquals(replyTos, new Set(refused));
  assertEquals([runs, await countIn(foreign), await countIn(pair.queue)], [0, 0, 0]);
  assertEquals(await pair.client.call("count"), 1);
});

Deno.test("RpcServer answers to queues that replyQueues allows", async () => {
  // A pattern with a memory must not allow every other request only.
  const server = { replyQueues: /^warren-test-/g };
  await using pair = await startPair({ echo: (value: unknown) => value }, { server });
  await using peer = await AmqpPeer.open();
  const replyTo = await peer.declareQueue();
  const replies = await peer.messages(replyTo);
  for (const body of ["1", "2", "3"]) {
    await peer.send(pair.queue, body, { replyTo });
    assertEquals((await nextOf(replies)).content.toString(), body);
  }
  await peer.send(pair.queue, "1", { replyTo: pair.queue });
  await eventually(() => assertEquals(pair.server.stats().replyToRefused, 1));
});

Deno.test("RpcServer does not copy a parked request where its headers say", async () => {
  await using pair = await startPair({}, { server: { handlers: { kill: deadly() } } });
  await using peer = await AmqpPeer.open();
  const elsewhere = await peer.declareQueue();
  await peer.send(pair.queue, "1", { CC: [elsewhere], headers: { kept: true } });
  const { properties } = await parkedOf(pair);
  assertEquals([properties.headers?.CC, properties.headers?.kept], [undefined, true]);
  // The broker has copied the request itself, once.
  assertEquals(await countIn(elsewhere), 1);
});

Deno.test("RpcServer parks a request without headers that are too large", async () => {
  await using pair = await startPair({}, { server: { handlers: { kill: deadly() } } });
  await using peer = await AmqpPeer.open();
  await peer.send(pair.queue, "1", { headers: { big: "x".repeat(65_450) } });
  const { properties, content } = await parkedOf(pair);
  const { headers = {} } = properties;
  assertEquals([content.toString(), headers.big], ["1", undefined]);
  assertEquals(headers["rpc-parked-complete"], false);
  assertEquals(headers["rpc-parked-reason"], "worker-crashed");
});

Deno.test("RpcServer keeps a request that cannot be parked while it serves", async () => {
  await using peer = await AmqpPeer.open();
  await using pair = await startPair({ echo: (value: unknown) => value }, {
    server: { handlers: { kill: deadly(), echo: (value: unknown) => value }, maxDeliveries: 1 },
  });
  await peer.declareQueue(`${pair.queue}.parked`, {
    durable: true,
    arguments: { "x-max-length": 0, "x-overflow": "reject-publish" },
  });
  await assertRejects(() => pair.client.call("kill"), RpcRemoteError, "died");
  assertEquals(await pair.client.call("echo", 1), 1);
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  await pair.server.close({ graceMs: 0 });
  await eventually(() => assert(pair.serverEvents.some(({ type }) => type === "unserved")));
  await eventually(async () => assertEquals(await countIn(pair.queue), 1));
});

Deno.test("RpcServer parks a request that was given back 20 times", async () => {
  let runs = 0;
  await using peer = await AmqpPeer.open();
  await using pair = await startPair({ count: () => ++runs });
  await pair.server.close();
  await peer.send(pair.queue, "1", { replyTo: peer.replyQueue });
  for (let time = 0; time < 20; time++) await peer.giveBack(pair.queue, { requeue: true });
  await using _server = await RpcServer.listen(brokerUrl(), {
    log: false,
    queue: pair.queue,
    handlers: { count: () => ++runs },
  });
  const reply = await peer.nextReply();
  assertEquals(JSON.parse(reply.content.toString()).code, "delivery-limit");
  const { properties } = await parkedOf(pair);
  assertEquals([properties.headers?.["rpc-parked-reason"], runs], ["delivery-limit", 0]);
});
