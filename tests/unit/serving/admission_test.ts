import { assertEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { ActiveRequest } from "../../../internal/serving/active_requests.ts";
import { Admission } from "../../../internal/serving/admission.ts";
import type { AmqpProperties } from "../../../internal/broker/amqp.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";

const DIRECT = "amq.rabbitmq.reply-to.g1h3DnJlcGx5QDI5ODM0NTk2AAAC4AAAAABrAZB2.a2V5";

function admission(replyQueues?: RegExp): Admission {
  return new Admission({ queue: "math", replyQueues, maxDeliveries: 3 });
}

function check(properties: AmqpProperties, replyQueues?: RegExp, redelivered = false) {
  return admission(replyQueues).check(new ActiveRequest(fakeDelivery({ properties, redelivered })));
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
    const { error, untold } = check({ replyTo }) ?? {};
    assertEquals([error?.code, untold], ["reply-to-refused", "reply-to-refused"], replyTo);
  }
});

Deno.test("Admission.check() takes the reply queues that other clients name", () => {
  const id = "6f1c2a34-9a1b-4c5d-8e7f-0123456789ab";
  const taken = [`rpc.reply.${id}`, `rpc.reply.{${id.toUpperCase()}}`, "client.gen-Zm9vYmFy_-"];
  for (const replyTo of taken) assertEquals(check({ replyTo }), undefined, replyTo);
  const refused = [
    "rpc.reply.",
    "rpc.reply.billing",
    `rpc.reply.${id}.parked`,
    `rpc.reply.${id}\n`,
    `x.rpc.reply.${id}`,
    "client.gen-",
    "client.gen-x.parked",
    "client.generous",
  ];
  for (const replyTo of refused) {
    assertEquals(check({ replyTo })?.untold, "reply-to-refused", replyTo);
  }
});

Deno.test("Admission.check() never lets a reply become a request", () => {
  for (const replyTo of ["math", "math.parked"]) {
    assertEquals(check({ replyTo }, /./)?.error.code, "reply-to-refused");
  }
  assertEquals(check({ replyTo: "billing" }, /^billing$/y), undefined);
});

Deno.test("Admission.check() lets no pattern allow what looks like the broker's own", () => {
  assertEquals(check({ replyTo: DIRECT }, /./), undefined);
  for (const end of ["", ".", "x", ".a.b"]) {
    const refusal = check({ replyTo: `amq.rabbitmq.reply-to${end}` }, /./);
    assertEquals(refusal?.untold, "reply-to-refused");
  }
});

Deno.test("Admission.check() refuses what is malformed or delivered too often", () => {
  const malformed = check({ malformed: "Unexpected type tag", replyTo: "amq.gen-x" });
  assertEquals([malformed?.error.code, malformed?.untold], ["undecodable", undefined]);
  assertEquals(check({ malformed: "x", replyTo: "other" })?.untold, "reply-to-refused");
  const returned = (count: number) =>
    check({ headers: { "x-delivery-count": count } }, undefined, true);
  assertEquals(returned(19), undefined);
  const { error, deliveries } = returned(20) ?? {};
  assertEquals([error?.code, deliveries], ["delivery-limit", 21]);
});

Deno.test("Admission.onCrash() refuses after maxDeliveries, by whoever counts higher", () => {
  const crash = new RpcError("worker-crashed", "died");
  const deliveriesOf = (limit: Admission, properties: AmqpProperties, redelivered = false) => {
    const active = new ActiveRequest(fakeDelivery({ properties, redelivered }));
    return limit.onCrash(crash, active)?.deliveries;
  };
  const counted = admission();
  const times = [1, 2, 3].map(() => deliveriesOf(counted, { correlationId: "a" }));
  assertEquals(times, [undefined, undefined, 3]);
  const headers = { "x-delivery-count": 4 };
  assertEquals(deliveriesOf(admission(), { correlationId: "a", headers }, true), 5);
  assertEquals(deliveriesOf(admission(), { correlationId: "a", headers }), undefined);
  assertEquals(deliveriesOf(admission(), {}), undefined);
  assertEquals(deliveriesOf(admission(), {}, true), 2);
  assertEquals(deliveriesOf(admission(), { headers: { "rpc-idempotent": false } }), 1);
});

Deno.test("Admission.check() refuses what others have rejected again and again", () => {
  const rejected = (count: unknown, queue = "math") =>
    check({ headers: { "x-death": [1, { queue: "mail" }, { queue, reason: "rejected", count }] } });
  assertEquals(rejected(19), undefined);
  assertEquals(rejected(20)?.error.code, "delivery-limit");
  assertEquals(rejected(20, "mail"), undefined);
  for (const odd of ["20", Infinity - Infinity, null]) assertEquals(rejected(odd), undefined);
});
