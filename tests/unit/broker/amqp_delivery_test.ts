import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";

Deno.test("AmqpDelivery is settled once, whichever way comes first", () => {
  const ways = ["ack", "requeue", "giveBack"] as const;
  for (const first of ways) {
    for (const second of ways) {
      const settled: string[] = [];
      const delivery = fakeDelivery({ onSettled: (way) => settled.push(way) });
      delivery[first]();
      assertThrows(() => delivery[second](), Error, "Cannot settle a delivery twice");
      assertEquals(settled, [first]);
    }
  }
});

Deno.test("AmqpDelivery counts redeliveries by what its queue tells", () => {
  const countOf = (redelivered: boolean, headers?: Record<string, unknown>) =>
    fakeDelivery({ redelivered, properties: { headers } }).redeliveries;
  assertEquals(countOf(false), 0);
  assertEquals(countOf(true), 1);
  assertEquals(countOf(true, { "x-delivery-count": 3 }), 3);
  assertEquals(countOf(true, { "x-delivery-count": 0 }), 1);
  for (const count of ["7", -7]) assertEquals(countOf(true, { "x-delivery-count": count }), 1);
  // Anybody can publish a message with such a header, and a shovel keeps that of another queue.
  assertEquals(countOf(false, { "x-delivery-count": 20 }), 0);
});
