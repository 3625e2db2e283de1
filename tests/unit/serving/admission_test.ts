import { assertEquals } from "../../../deps/std_assert.ts";
import { Admission } from "../../../internal/serving/admission.ts";
import type { AmqpProperties } from "../../../internal/broker/amqp.ts";
import { DeliveryLimit } from "../../../internal/serving/delivery_limit.ts";
import { readRequest } from "../../../internal/protocol/envelope.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";

const DIRECT = "amq.rabbitmq.reply-to.g1h3DnJlcGx5QDI5ODM0NTk2AAAC4AAAAABrAZB2.a2V5";

function check(properties: AmqpProperties, replyQueues?: RegExp) {
  const deliveryLimit = new DeliveryLimit(3);
  const admission = new Admission({ queue: "math", replyQueues, deliveryLimit });
  return admission.check(readRequest(properties), fakeDelivery({ properties }));
}

Deno.test("Admission.check() admits the reply queues of clients", () => {
  const allowed = ["amq.gen-x", DIRECT, "rpc.replies.billing"];
  for (const replyTo of allowed) assertEquals(check({ replyTo }), undefined, replyTo);
  assertEquals(check({}), undefined);
  assertEquals(check({ replyTo: "" }), undefined);
});

Deno.test("Admission.check() refuses a replyTo that is no reply queue", () => {
  const refused = [
    "math",
    "math.parked",
    "billing",
    "amq.rabbitmq.reply-to",
    "amq.rabbitmq.reply-to.",
    "amq.rabbitmq.reply-to.g1h2.token",
    "amq.rabbitmq.trace",
    "amq.generous",
    "xamq.gen-x",
    "rpc.replies.",
    "rpc.repliesx",
    `amq.gen-${"\ufffd".repeat(255)}`,
  ];
  for (const replyTo of refused) {
    const givenUp = check({ replyTo });
    assertEquals([givenUp?.error.code, givenUp?.mayReply], ["reply-to-refused", false], replyTo);
  }
});

Deno.test("Admission.check() never lets a reply become a request", () => {
  for (const replyTo of ["math", "math.parked"]) {
    assertEquals(check({ replyTo }, /./)?.error.code, "reply-to-refused");
  }
  assertEquals(check({ replyTo: "billing" }, /^billing$/y), undefined);
});

Deno.test("Admission.check() gives up what is malformed or given back too often", () => {
  const malformed = check({ malformed: "Unexpected type tag", replyTo: "amq.gen-x" });
  assertEquals([malformed?.error.code, malformed?.mayReply], ["undecodable", true]);
  assertEquals(check({ malformed: "x", replyTo: "other" })?.mayReply, false);
  const returned = (count: number) => check({ headers: { "x-delivery-count": count } });
  assertEquals(returned(19), undefined);
  const { error, deliveries } = returned(20) ?? {};
  assertEquals([error?.code, deliveries], ["delivery-limit", 21]);
});
