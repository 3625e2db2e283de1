import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import type { AmqpDelivery } from "../../../internal/broker/amqp.ts";
import { Delivery } from "../../../internal/broker/delivery.ts";

/** A delivery on a channel that counts what it is told. */
function newDelivery(parts: { redelivered?: boolean; headers?: Record<string, unknown> } = {}) {
  const settled: string[] = [];
  const amqpDelivery = {
    channel: { ack: () => settled.push("ack"), requeue: () => settled.push("requeue") },
    redelivered: parts.redelivered ?? false,
    properties: { headers: parts.headers },
    body: new Uint8Array(),
  };
  // A delivery is settled by its channel; the rest of both is of no matter here.
  const fake: unknown = amqpDelivery;
  return { settled, delivery: new Delivery(fake as AmqpDelivery) };
}

Deno.test("Delivery is settled once, whichever way comes first", () => {
  const ways = ["ack", "requeue"] as const;
  for (const first of ways) {
    for (const second of ways) {
      const { settled, delivery } = newDelivery();
      delivery[first]();
      assertThrows(() => delivery[second](), Error, "Cannot settle a delivery twice");
      assertEquals(settled, [first]);
    }
  }
});

Deno.test("Delivery counts redeliveries by what its queue tells", () => {
  const countOf = (parts: Parameters<typeof newDelivery>[0]) =>
    newDelivery(parts).delivery.redeliveries;
  assertEquals(countOf({}), 0);
  assertEquals(countOf({ redelivered: true }), 1);
  assertEquals(countOf({ redelivered: true, headers: { "x-delivery-count": 3 } }), 3);
  assertEquals(countOf({ redelivered: true, headers: { "x-delivery-count": 0 } }), 1);
  assertEquals(countOf({ headers: { "x-delivery-count": "7" } }), 0);
  assertEquals(countOf({ headers: { "x-delivery-count": -7 } }), 0);
});
