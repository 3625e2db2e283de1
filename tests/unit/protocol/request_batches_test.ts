import { Buffer } from "node:buffer";
import { assertEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { AmqpPublish } from "../../../internal/broker/amqp.ts";
import type { PersistentOutcome } from "../../../internal/protocol/parking.ts";
import { RequestBatches } from "../../../internal/protocol/request_batches.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

/** A batch that comes again, to a server whose broker answers as told, request by request. */
function comeAgain(answers: readonly (PersistentOutcome | Error)[]) {
  const left = [...answers];
  const sent: string[] = [];
  const settled: string[] = [];
  let isOpen = true;
  const head = Buffer.from(JSON.stringify({ common: {}, parts: [["a", 0], ["b", 0]] }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  const delivery = fakeDelivery({
    body: Buffer.concat([length, head]),
    redelivered: true,
    onSettled: (way) => settled.push(way),
    isOpen: () => isOpen,
  });
  const batches = new RequestBatches({
    queue: "math",
    places: () => 1,
    accept: () => Promise.resolve(),
    replies: {
      publish({ properties }: AmqpPublish) {
        sent.push(properties.correlationId ?? "");
        const answer = left.shift() ?? "confirmed";
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    },
  });
  const close = () => isOpen = false;
  assertEquals(batches.take(delivery), true);
  return { sent, settled, close };
}

Deno.test("A request that its queue has is not sent again for another that it does not take", async () => {
  using time = new FakeTime();
  const { sent, settled } = comeAgain(["confirmed", "unpublished", "orphaned"]);
  await time.settle();
  assertEquals([sent, settled], [["a", "b"], []]);
  await time.advance(60_000);
  assertEquals([sent, settled], [["a", "b", "b", "b"], ["ack"]]);
});

Deno.test("A request that cannot be sent alone keeps no place of its server", async () => {
  using time = new FakeTime();
  const unsendable = comeAgain([new TypeError("a property is too long"), "confirmed"]);
  const tooLarge = comeAgain(["too-large", "confirmed"]);
  await time.settle();
  assertEquals([unsendable.settled, tooLarge.settled], [["ack"], ["ack"]]);
});

Deno.test("A batch that is lost is not sent on, and a server that is closed settles none", async () => {
  using time = new FakeTime();
  const lost = comeAgain(["unpublished", "unpublished"]);
  await time.settle();
  lost.close();
  await time.advance(60_000);
  assertEquals([lost.sent, lost.settled], [["a", "b"], []]);
  const closed = comeAgain([new RpcError("closed", "closed")]);
  await time.advance(60_000);
  assertEquals(closed.settled, []);
});
