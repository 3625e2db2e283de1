import type { AmqpPublish } from "../../internal/amqp.ts";
import type { PublishOutcome } from "../../internal/publisher.ts";
import { ReplyPublisher } from "../../internal/reply_publisher.ts";
import { assertEquals } from "../../deps/std_assert.ts";

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
