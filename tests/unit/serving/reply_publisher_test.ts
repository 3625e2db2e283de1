import type { AmqpPublish } from "../../../internal/broker/amqp.ts";
import type { PublishOutcome } from "../../../internal/broker/publisher.ts";
import { ReplyPublisher } from "../../../internal/serving/reply_publisher.ts";
import { assertEquals } from "../../../deps/std_assert.ts";

const REPLY: AmqpPublish = { routingKey: "q", body: "1", mandatory: true, properties: {} };

/** A publisher whose broker answers with these, in turn. */
function publisherOf(...outcomes: PublishOutcome[]): ReplyPublisher {
  const publish = () => Promise.resolve(outcomes.shift() ?? "confirmed");
  const session = { channels: [], publisher: { publish } };
  const whenOpen = () => Promise.resolve(session);
  return new ReplyPublisher(() => ({ session, whenOpen }));
}

Deno.test("ReplyPublisher.publish() tries again what was not sent", async () => {
  const publisher = publisherOf("unknown", "unsent", "confirmed");
  assertEquals(await publisher.publish(REPLY, () => true), "published");
});

Deno.test("ReplyPublisher.publish() tells that a queue is gone", async () => {
  assertEquals(await publisherOf("returned").publish(REPLY, () => true), "gone");
});

Deno.test("ReplyPublisher.publish() insists while the caller waits", async () => {
  assertEquals(await publisherOf("refused", "confirmed").publish(REPLY, () => true), "published");
});

Deno.test("ReplyPublisher.publish() gives up when nobody waits any more", async () => {
  assertEquals(await publisherOf("refused", "confirmed").publish(REPLY, () => false), "refused");
});

Deno.test("ReplyPublisher.publish() insists when the connection is lost", async () => {
  const losses = Array.from({ length: 20 }, () => "unknown" as const);
  assertEquals(await publisherOf(...losses).publish(REPLY, () => true), "published");
});

Deno.test("ReplyPublisher.publish() repeats a direct reply only once", async () => {
  const direct = { ...REPLY, routingKey: "amq.rabbitmq.reply-to.g1h2.k" };
  const once = publisherOf("unknown", "unsent", "unsent", "confirmed");
  assertEquals(await once.publish(direct, () => true), "published");
  const poison = publisherOf("unknown", "unsent", "unknown", "confirmed");
  assertEquals(await poison.publish(direct, () => true), "refused");
});
