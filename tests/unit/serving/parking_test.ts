import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { AmqpDelivery, AmqpPublish, AmqpQueueOptions } from "../../../internal/broker/amqp.ts";
import { Refusal } from "../../../internal/serving/admission.ts";
import { Parking, type ParkingOptions } from "../../../internal/serving/parking.ts";
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
  { declare = () => {}, ...options }: {
    durability?: ParkingOptions["durability"];
    declare?: () => void;
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
  const parking = new Parking({
    queue: "math",
    durability: "replicated",
    replies: new Replies(
      { publisher: { session, whenOpen: () => Promise.resolve(session) } },
      { isLost: () => Promise.resolve(false) },
    ),
    declare(_name, options) {
      declared.push(options);
      return new Promise((resolve) => resolve(declare()));
    },
    ...options,
  });
  return { parking, published, declared };
}

function channelError(code: number): Error {
  return Object.assign(new Error(`Operation failed: ${code}`), { code });
}

Deno.test("Parking.park() declares nothing if the queue is there", async () => {
  const { parking, published, declared } = parkingWith([]);
  await parking.park(delivery(), reason);
  assertEquals([published.length, declared.length], [1, 0]);
});

Deno.test("Parking.park() declares the queue as the request queue is", async () => {
  for (const durability of ["replicated", "durable", "transient", "existing"] as const) {
    const { parking, published, declared } = parkingWith(["returned"], { durability });
    await parking.park(delivery(), reason);
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
  await parking.park(delivery(), reason);
  assertEquals(published.length, 2);
});

Deno.test("Parking.park() rejects if the user may not declare the queue", async () => {
  const { parking } = parkingWith(["returned"], {
    declare() {
      throw channelError(403);
    },
  });
  const park = () => parking.park(delivery(), reason);
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
  await parking.park(delivery(), reason);
  assertEquals([published.length, attempts], [4, 2]);
});

Deno.test("Parking.park() leaves headers out that AMQP cannot carry", async () => {
  const { parking, published } = parkingWith([new TypeError("too large")]);
  await parking.park(delivery({ big: 1 }), reason);
  assertEquals(published.map(({ properties }) => properties.headers?.big), [1, undefined]);
});

Deno.test("Parking.park() says that a queue which refuses for long may take it later", async () => {
  using time = new FakeTime();
  const { parking } = parkingWith(Array(1_000).fill("nacked"));
  const refused = assertRejects(() => parking.park(delivery(), reason), RpcError);
  await time.advance(11_000);
  const { code, retryable } = await refused;
  assertEquals([code, retryable], ["queue-full", true]);
});

Deno.test("Parking.park() leaves a request in its queue if the server closes", async () => {
  const { parking } = parkingWith([new RpcError("closed", "Cannot publish as it is closed")]);
  const { code } = await assertRejects(() => parking.park(delivery(), reason), RpcError);
  assertEquals(code, "closed");
});
