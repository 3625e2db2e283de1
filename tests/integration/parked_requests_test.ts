import { type Handler, RpcError, RpcServer } from "../../mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "../../deps/std_assert.ts";
import { sealHandler } from "../../internal/running/encoded_handler.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, declareQueue, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, type Procedures, startPair } from "../helpers/pair.ts";
import { FaultProxy } from "../../tools/network/fault_proxy.ts";

/** A handler whose worker dies each time. */
const deadly = sealHandler<Handler>({
  handle: () => Promise.reject(new RpcError("worker-crashed", "Cannot go on as the worker died")),
});

function open({ queue }: Pick<Pair, "queue">, url = brokerUrl()): Promise<ParkedRequests> {
  return ParkedRequests.open(url, { queue });
}

/** A pair on whose queue so many requests were given up, with the inputs 0, 1, 2, … */
async function startWithParked(count: number, handlers: Procedures = {}): Promise<Pair> {
  const pair = await startPair({}, {
    server: { handlers: { ...handlers, kill: deadly }, maxDeliveries: 1 },
  });
  for (let n = 0; n < count; n++) {
    await pair.client.call("kill", n, { idempotencyKey: `key ${n}` }).catch(() => {});
  }
  await eventually(() => assertEquals(pair.server.stats().parked, count));
  return pair;
}

/** A queue without servers whose parking queue has so many requests, as others put them there. */
async function parkMany(count: number) {
  const queue = randomQueue();
  await declareQueue(`${queue}.parked`, { durable: true });
  await using peer = await AmqpPeer.open();
  const sent = Array.from({ length: count }, (_, n) => {
    return peer.send(`${queue}.parked`, String(n), { type: "work", messageId: `key ${n}` });
  });
  await Promise.all(sent);
  return { queue, [Symbol.asyncDispose]: () => deleteQueue(queue) };
}

/** Serves `work` on a queue and collects its inputs. */
async function serve(queue: string, onWork: (n: number) => void): Promise<RpcServer> {
  return await RpcServer.listen(brokerUrl(), { log: false, queue, handlers: { work: onWork } });
}

async function countIn(queue: string): Promise<number> {
  await using peer = await AmqpPeer.open();
  return await peer.countMessages(queue);
}

Deno.test("ParkedRequests lists and shows what was parked, and keeps it", async () => {
  await using pair = await startWithParked(3);
  await using parked = await open(pair);
  const [first, ...rest] = await parked.list();
  assert(first !== undefined && first.parkedAt !== undefined);
  assert(Math.abs(first.parkedAt - Date.now()) < 60_000);
  const { id, correlationId, parkedAt: _, ...known } = first;
  assertMatch(`${id} ${correlationId}`, /^[-0-9a-f]{36} \S+$/);
  assertEquals(known, {
    reason: "worker-crashed",
    message: "Cannot go on as the worker died",
    procedure: "kill",
    deliveries: 1,
    contentType: "application/json",
    bytes: 1,
    isStream: false,
  });
  assertEquals(rest.length, 2);
  assertEquals((await parked.list({ limit: 2 })).length, 2);
  for (const [n, { id }] of [first, ...rest].entries()) {
    const details = await parked.inspect(id);
    assertEquals(new TextDecoder().decode(details?.body), `${n}`);
    assertEquals(details?.headers["rpc-parked-queue"], pair.queue);
  }
  assertEquals(await parked.inspect("unknown"), undefined);
  assertEquals((await parked.list()).map(({ id }) => id), [first, ...rest].map(({ id }) => id));
});

Deno.test("ParkedRequests runs again and drops what it is told to", async () => {
  const ran: unknown[] = [];
  await using pair = await startWithParked(4);
  await pair.server.close();
  const run: Handler = (n) => void ran.push(n);
  await using _server = await RpcServer.listen(pair.url, {
    log: false,
    queue: pair.queue,
    handlers: { kill: run },
  });
  await using parked = await open(pair);
  const [a = "", b = "", ...others] = (await parked.list()).map(({ id }) => id);
  assertEquals(await parked.redrive([b, "unknown"]), { redriven: 1, streams: 0, missing: 1 });
  await eventually(() => assertEquals(ran, [1]));
  assertEquals(await parked.drop([a, a, "unknown"]), { dropped: 1, missing: 1 });
  assertEquals((await parked.list()).map(({ id }) => id), others);
  assertEquals(await parked.redrive("all"), { redriven: 2, streams: 0, missing: 0 });
  await eventually(() => assertEquals(ran.length, 3));
  assertEquals(await parked.list(), []);
});

Deno.test("ParkedRequests parks anew what fails again", async () => {
  await using pair = await startWithParked(2);
  await using parked = await open(pair);
  const before = (await parked.list()).map(({ id }) => id);
  assertEquals((await parked.redrive("all")).redriven, 2);
  await eventually(() => assertEquals(pair.server.stats().parked, 4));
  const after = await parked.list();
  assertEquals(after.length, 2);
  for (const { id } of after) assert(!before.includes(id));
  assertEquals(await parked.drop("all"), { dropped: 2, missing: 0 });
  assertEquals(await countIn(`${pair.queue}.parked`), 0);
});

Deno.test("ParkedRequests leaves streams parked", async () => {
  const ran: number[] = [];
  await using parking = await parkMany(1);
  await using _server = await serve(parking.queue, (n) => void ran.push(n));
  await using peer = await AmqpPeer.open();
  await peer.send(`${parking.queue}.parked`, "7", { type: "work", headers: { "rpc-credits": 5 } });
  await using parked = await open(parking);
  assertEquals((await parked.list()).map(({ isStream }) => isStream), [false, true]);
  assertEquals(await parked.redrive("all"), { redriven: 1, streams: 1, missing: 0 });
  await eventually(() => assertEquals(ran, [0]));
  assertEquals((await parked.list()).map(({ isStream }) => isStream), [true]);
  assertEquals((await parked.drop("all")).dropped, 1);
});

Deno.test("ParkedRequests finds what others have put there by its content", async () => {
  await using parking = await parkMany(2);
  await using parked = await open(parking);
  const [first, second] = await parked.list();
  assertMatch(first?.id ?? "", /^content-[0-9a-f]{32}$/);
  assertNotEquals(first?.id, second?.id);
  assertEquals([first?.reason, first?.message, first?.parkedAt], ["unknown", "", undefined]);
  assertEquals(await parked.drop([first?.id ?? ""]), { dropped: 1, missing: 0 });
  assertEquals((await parked.list()).map(({ id }) => id), [second?.id]);
});

Deno.test("ParkedRequests.forEach() looks at each with its body, and keeps them", async () => {
  await using parking = await parkMany(5);
  await using parked = await open(parking);
  const bodies: string[] = [];
  await parked.forEach(({ body }) => void bodies.push(new TextDecoder().decode(body)));
  assertEquals(bodies.toSorted(), ["0", "1", "2", "3", "4"]);
  let looks = 0;
  await parked.forEach(() => ++looks < 2);
  assertEquals(looks, 2);
  await assertRejects(
    () =>
      parked.forEach(() => {
        throw new Error("enough");
      }),
    Error,
    "enough",
  );
  await assertRejects(() => parked.forEach("x" as never), TypeError, '"look" must be a function');
  assertEquals((await parked.list()).length, 5);
});

Deno.test("ParkedRequests works through more than a page, each request once", async () => {
  const count = 1_050;
  const ran: number[] = [];
  await using parking = await parkMany(count);
  await using _server = await serve(parking.queue, (n) => void ran.push(n));
  await using parked = await open(parking);
  assertEquals((await parked.list()).length, 1_000);
  const listed = await parked.list({ limit: 2_000 });
  assertEquals(new Set(listed.map(({ id }) => id)).size, count);
  assertEquals((await parked.redrive("all")).redriven, count);
  await eventually(() => assertEquals(ran.length, count));
  assertEquals(ran.toSorted((a, b) => a - b), listed.map((_, n) => n));
  assertEquals(await parked.list(), []);
});

Deno.test("ParkedRequests lets one administrator in at a time, and any number of calls", async () => {
  await using parking = await parkMany(20);
  await using first = await open(parking);
  const error = await assertRejects(() => open(parking), RpcError);
  assertEquals([error.code, error.retryable], ["in-use", true]);
  assertMatch(error.message, /as somebody else has them open: try again when they have closed/);
  const [one, two, dropped] = await Promise.all([first.list(), first.list(), first.drop("all")]);
  assertEquals([one.length, two.length, dropped.dropped], [20, 20, 20]);
  await first.close();
  await using second = await open(parking);
  assertEquals(await second.list(), []);
});

Deno.test("ParkedRequests are none before the first, and after their queue is gone", async () => {
  const queue = randomQueue();
  await using parked = await open({ queue });
  assertEquals(await parked.list(), []);
  assertEquals(await parked.inspect("id"), undefined);
  assertEquals(await parked.redrive("all"), { redriven: 0, streams: 0, missing: 0 });
  assertEquals(await parked.drop(["id"]), { dropped: 0, missing: 1 });
});

Deno.test("ParkedRequests keeps everything if the request queue is missing", async () => {
  await using parking = await parkMany(120);
  await using parked = await open(parking);
  const error = await assertRejects(() => parked.redrive("all"), RpcError);
  assertEquals(error.code, "unroutable");
  assertMatch(error.message, /no such queue: 0 were sent, all others are kept. Start a server/);
  assertEquals((await parked.list()).length, 120);
});

Deno.test("ParkedRequests keeps what the request queue refuses", async () => {
  await using parking = await parkMany(5);
  await declareQueue(parking.queue, {
    arguments: { "x-max-length": 2, "x-overflow": "reject-publish" },
  });
  await using parked = await open(parking);
  assertEquals((await assertRejects(() => parked.redrive("all"), RpcError)).code, "queue-full");
  const [queued, kept] = [await countIn(parking.queue), (await parked.list()).length];
  assertEquals(queued + kept, 5);
  assert(queued >= 2);
});

Deno.test("ParkedRequests loses nothing if it is cut off while it runs requests again", async () => {
  const count = 300;
  const ran = new Set<number>();
  await using proxy = FaultProxy.start(brokerUrl());
  await using parking = await parkMany(count);
  await using _server = await serve(parking.queue, (n) => {
    if (ran.size === 0) proxy.cut();
    ran.add(n);
  });
  {
    await using parked = await open(parking, proxy.url);
    const error = await assertRejects(() => parked.redrive("all"), RpcError);
    assertEquals([error.code, error.retryable], ["disconnected", true]);
    await assertRejects(() => parked.list(), RpcError);
  }
  await using parked = await eventually(() => open(parking));
  const before = await eventually(async () => {
    const { length } = await parked.list();
    assert(length + ran.size >= count);
    return length;
  });
  assert(before > 0, "it was cut off before the end");
  assertEquals((await parked.redrive("all")).redriven, before);
  await eventually(() => assertEquals(ran.size, count));
});

Deno.test("ParkedRequests that are closed do nothing more, and keep the rest", async () => {
  await using parking = await parkMany(50);
  const parked = await open(parking);
  const dropping = assertRejects(() => parked.drop("all"), RpcError);
  await Promise.all([parked.close(), parked.close()]);
  assertEquals((await dropping).code, "closed");
  assertEquals((await assertRejects(() => parked.list(), RpcError)).code, "closed");
  await using again = await open(parking);
  assertEquals((await again.list()).length, 50);
});

Deno.test("ParkedRequests refuses arguments that it cannot use", async () => {
  await assertRejects(() => open({ queue: "" }), TypeError, "1 to 255 bytes");
  await assertRejects(() => open({ queue: "x".repeat(250) }), TypeError, "lock queue");
  const aborted = { queue: "q", signal: AbortSignal.abort(new Error("too late")) };
  await assertRejects(() => ParkedRequests.open(brokerUrl(), aborted), Error, "too late");
  await using parked = await open({ queue: randomQueue() });
  await assertRejects(() => parked.list({ limit: 0 }), RangeError, '"limit"');
  // @ts-expect-error: One id is not a list of ids.
  await assertRejects(() => parked.drop("id"), TypeError, '"all" or a list');
});
