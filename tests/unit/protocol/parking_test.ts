import { assertEquals, assertLess, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { AmqpDelivery, AmqpPublish, AmqpQueueOptions } from "../../../internal/broker/amqp.ts";
import { Refusal } from "../../../internal/serving/admission.ts";
import { Parking, type ParkingOptions } from "../../../internal/protocol/parking.ts";
import { BodyLimits } from "../../../internal/broker/body_limits.ts";
import type { PublishOutcome } from "../../../internal/broker/publisher.ts";
import { Replies } from "../../../internal/serving/replies.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

const reason = new Refusal(new RpcError("worker-crashed", "died"), 1);

function delivery(headers: Readonly<Record<string, unknown>> = {}): AmqpDelivery {
  return fakeDelivery({ properties: { headers } });
}

/** A parking queue on a broker that answers as told. */
function parkingWith(
  answers: (PublishOutcome | Error)[],
  options: {
    durability?: ParkingOptions["durability"];
    /** Absent for nothing, `undefined` if nothing may be declared. */
    declare?: (() => void) | undefined;
  } = {},
) {
  const published: AmqpPublish[] = [];
  const declared: AmqpQueueOptions[] = [];
  const publisher = {
    publish(prepare: () => AmqpPublish): Promise<PublishOutcome> {
      published.push(prepare());
      const answer = answers.shift() ?? "confirmed";
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const session = { publisher };
  const limits = new BodyLimits(1_000);
  const parking = new Parking({
    queue: "math",
    durability: "replicated",
    limits,
    replies: new Replies({
      sessions: { publisher: { session, whenOpen: () => Promise.resolve(session) } },
      callers: { isLost: () => Promise.resolve(false), isAwaited: () => Promise.resolve(false) },
      limits,
    }),
    ...options,
    declare: "declare" in options && options.declare === undefined ? undefined : (_name, args) => {
      declared.push(args);
      return new Promise((resolve) => resolve(options.declare?.()));
    },
  });
  return { parking, published, declared };
}

function unexpected(error: RpcError): never {
  throw error;
}

function channelError(code: number): Error {
  return Object.assign(new Error(`Operation failed: ${code}`), { code });
}

Deno.test("Parking.park() holds a message whose queue it may not declare", async () => {
  using time = new FakeTime();
  const { parking, published } = parkingWith(["returned", "returned"], { declare: undefined });
  const delays: RpcError[] = [];
  const onDelayed = (error: RpcError) => delays.push(error) > 0;
  const parked = parking.park(delivery(), reason, onDelayed);
  await time.advance(5_000);
  await parked;
  assertEquals(published.length, 3);
  assertEquals(delays.map(({ code, retryable, message }) => [code, retryable, message]), [[
    "misconfigured",
    true,
    'Cannot park the message in queue "math.parked" as it does not exist: declare it, ' +
    'as "declare" is false',
  ]]);
});

Deno.test("Parking.park() declares nothing if the queue is there", async () => {
  const { parking, published, declared } = parkingWith([]);
  await parking.park(delivery(), reason, unexpected);
  assertEquals([published.length, declared.length], [1, 0]);
});

Deno.test("Parking.park() declares the queue as the request queue is", async () => {
  for (const durability of ["replicated", "durable", "transient", "existing"] as const) {
    const { parking, published, declared } = parkingWith(["returned"], { durability });
    await parking.park(delivery(), reason, unexpected);
    assertEquals(published.length, 2);
    const quorum = { "x-queue-type": "quorum", "x-delivery-limit": 2_147_483_647 };
    const args = durability === "replicated" ? quorum : { "x-queue-type": "classic" };
    assertEquals(declared, [{ durable: true, arguments: args }]);
  }
});

Deno.test("Parking.park() takes a queue that others declare meanwhile", async () => {
  const { parking, published } = parkingWith(["returned"], {
    declare() {
      throw channelError(406);
    },
  });
  await parking.park(delivery(), reason, unexpected);
  assertEquals(published.length, 2);
});

Deno.test("Parking.park() rejects if the user may not declare the queue", async () => {
  const { parking } = parkingWith(["returned"], {
    declare() {
      throw channelError(403);
    },
  });
  const park = () => parking.park(delivery(), reason, unexpected);
  const { code } = await assertRejects(park, RpcError, 'queue "math.parked" as the user may not');
  assertEquals(code, "access-refused");
});

Deno.test("Parking.park() goes on after lost connections", async () => {
  let attempts = 0;
  const { parking, published } = parkingWith(["unknown", "returned", "returned"], {
    declare() {
      if (attempts++ === 0) throw new Error("Channel ended, no reply will be forthcoming");
    },
  });
  await parking.park(delivery(), reason, unexpected);
  assertEquals([published.length, attempts], [4, 2]);
});

Deno.test("Parking.park() leaves headers out that AMQP cannot carry", async () => {
  const { parking, published } = parkingWith([new TypeError("too large")]);
  await parking.park(delivery({ big: 1 }), reason, unexpected);
  assertEquals(published.map(({ properties }) => properties.headers?.big), [1, undefined]);
});

/** Parks on a broker that refuses for ever, and notes what comes of it. */
function parkWithRefusals({ isOpen, holds }: { isOpen?: () => boolean; holds?: boolean } = {}) {
  const place = parkingWith(Array(10_000).fill("nacked"));
  const delayed: string[] = [];
  const parked = place.parking.park(fakeDelivery(isOpen && { isOpen }), reason, ({ code }) => {
    delayed.push(code);
    return holds ?? true;
  });
  return { ...place, delayed, refused: assertRejects(() => parked, RpcError) };
}

Deno.test("Parking.park() holds what the queue refuses, with pauses up to a minute", async () => {
  using time = new FakeTime();
  const { parking, published, delayed } = parkWithRefusals();
  await time.advance(10 * 60_000);
  assertEquals(delayed, ["queue-full"]);
  const before = published.length;
  await time.advance(5 * 60_000);
  assertEquals(published.length - before, 5);
  parking.close();
});

Deno.test("Parking.park() gives a request up before the broker takes it", async () => {
  using time = new FakeTime();
  const { refused, delayed } = parkWithRefusals();
  await time.advance(21 * 60_000);
  const { code, retryable } = await refused;
  assertEquals([code, retryable, delayed], ["queue-full", true, ["queue-full"]]);
});

Deno.test("Parking.park() holds nothing if it is told so", async () => {
  using time = new FakeTime();
  const { published, refused } = parkWithRefusals({ holds: false });
  await time.advance(3_000);
  assertEquals((await refused).code, "queue-full");
  const before = published.length;
  await time.advance(60_000);
  assertEquals(published.length, before);
});

Deno.test("Parking.close() ends the wait of what is held", async () => {
  using time = new FakeTime();
  const { parking, published, refused } = parkWithRefusals();
  await time.advance(10 * 60_000);
  const before = published.length;
  parking.close();
  assertEquals((await refused).retryable, true);
  assertEquals(published.length, before);
});

Deno.test("Parking.close() leaves no timer of a queue that could not be declared", async () => {
  const lost = new Error("Channel ended, no reply will be forthcoming");
  const closed = new RpcError("closed", "Cannot publish as it is closed");
  const { parking } = parkingWith(["returned", closed], {
    declare() {
      queueMicrotask(() => parking.close());
      throw lost;
    },
  });
  const before = performance.now();
  const { code } = await assertRejects(
    () => parking.park(delivery(), reason, unexpected),
    RpcError,
  );
  assertEquals(code, "closed");
  assertLess(performance.now() - before, 400);
});

Deno.test("Parking.park() tries no more for a delivery whose channel is gone", async () => {
  using time = new FakeTime();
  let isOpen = true;
  const { published, refused } = parkWithRefusals({ isOpen: () => isOpen });
  await time.advance(10 * 60_000);
  const before = published.length;
  isOpen = false;
  await time.advance(60_000);
  assertEquals((await refused).retryable, true);
  assertEquals(published.length, before);
});

Deno.test("Parking.park() leaves a request in its queue if the server closes", async () => {
  const { parking } = parkingWith([new RpcError("closed", "Cannot publish as it is closed")]);
  const { code } = await assertRejects(
    () => parking.park(delivery(), reason, unexpected),
    RpcError,
  );
  assertEquals(code, "closed");
});
