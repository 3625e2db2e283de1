import { Buffer } from "node:buffer";
import { assertEquals } from "../../../deps/std_assert.ts";
import type { AmqpDelivery } from "../../../internal/broker/amqp.ts";
import { BodyLimits } from "../../../internal/broker/body_limits.ts";
import type { Recipient } from "../../../internal/protocol/parking.ts";
import { RequestBatches } from "../../../internal/protocol/request_batches.ts";
import { ActiveRequests } from "../../../internal/serving/active_requests.ts";
import { PlainRequests } from "../../../internal/serving/batches/plain_requests.ts";
import { Procedures } from "../../../internal/serving/procedures.ts";
import { Replies } from "../../../internal/serving/replies.ts";
import { RequestRunner } from "../../../internal/serving/request_runner.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";

/** Serves batches of calls of `echo`, and publishes nothing. */
function servePlain() {
  const recipients: Recipient[] = [];
  const accepted: AmqpDelivery[] = [];
  const accept = (request: AmqpDelivery) => Promise.resolve(void accepted.push(request));
  const runner = new RequestRunner({
    procedures: new Procedures({ echo: (input: unknown) => input }, undefined),
    maxBodyBytes: 1_000,
    cache: undefined,
    includeStack: false,
  });
  const callers = { isLost: () => Promise.resolve(true), isAwaited: () => Promise.resolve(false) };
  const replies = new Replies({ sessions: {}, callers, limits: new BodyLimits(1_000) });
  replies.publish = (_message, recipient) => {
    recipients.push(recipient);
    return Promise.resolve("confirmed");
  };
  const plain = new PlainRequests({
    isAlone: false,
    runner,
    active: new ActiveRequests(),
    batches: new RequestBatches({ queue: "queue", replies, accept, places: () => 10 }),
    replies,
    admits: () => true,
    places: () => 10,
    accept,
    onOrphaned: () => {},
    onSettled: () => {},
    onUnserved: () => {},
  });
  return { plain, recipients, accepted };
}

Deno.test("PlainRequests insists on replies for as long as one is waited for", async () => {
  const { plain, recipients, accepted } = servePlain();
  const deadline = Date.now() - 60_000;
  const head = { procedures: ["echo"], deadline, later: [120_000, 0] };
  const body = Buffer.from(`${JSON.stringify(head)}\n1\n2`);
  const properties = { correlationId: "batch", replyTo: "amq.gen-replies" };
  assertEquals(plain.take(fakeDelivery({ body, properties })), true);
  await undefined;
  assertEquals(recipients.map(({ isWanted }) => isWanted), [true]);
  assertEquals(accepted.map((each) => each.properties.correlationId), ["batch.1"]);
});
