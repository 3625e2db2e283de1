import { fc } from "../../../deps/fast_check.ts";
import { assert, assertEquals, assertGreater, assertRejects } from "../../../deps/std_assert.ts";
import type {
  AmqpChannel,
  AmqpConfirm,
  AmqpPublish,
  AmqpReturn,
} from "../../../internal/broker/amqp.ts";
import { eventually } from "../../helpers/eventually.ts";
import { BodyLimits } from "../../../internal/broker/body_limits.ts";
import { Publisher, type PublishOutcome } from "../../../internal/broker/publisher.ts";

const CONFIRM_TIMEOUT_MS = 50;
const MAX_BODY_BYTES = 1_000;

/** A channel that takes messages and confirms them when a test says so. */
class CountingChannel {
  isOpen = true;
  failure: Error | undefined;
  onReturn: (returned: AmqpReturn) => void = () => {};
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly closed = this.#closed.promise;
  readonly sent: AmqpPublish[] = [];
  readonly #confirms: ((confirm: AmqpConfirm) => void)[] = [];

  publish(message: AmqpPublish, onConfirm: (confirm: AmqpConfirm) => void): void {
    if (!this.isOpen) throw new Error("Cannot publish as the channel is closed");
    this.sent.push(message);
    this.#confirms.push(onConfirm);
  }

  get unconfirmed(): number {
    return this.#confirms.length;
  }

  confirm(confirm: AmqpConfirm): void {
    this.#confirms.shift()?.(confirm);
  }

  close(): Promise<void> {
    if (this.isOpen) this.break();
    return Promise.resolve();
  }

  /** As amqplib does it: first each confirm, while the channel still seems open. */
  break(failure?: Error): void {
    this.failure = failure;
    while (this.unconfirmed > 0) this.confirm("closed");
    this.isOpen = false;
    this.#closed.resolve(failure);
  }

  /** As a broker does that has read a message with a body larger than this. */
  refuse(maxBytes: number): void {
    const text = `message size 999 is larger than configured max size ${maxBytes}`;
    this.break(Object.assign(new Error(`Channel closed: ${text}`), { code: 406 }));
  }
}

interface Subject extends AsyncDisposable {
  /** In the order in which they were opened. */
  readonly channels: readonly CountingChannel[];
  readonly channel: CountingChannel;
  readonly publisher: Publisher;
  /** Rejects when the publisher ends its connection. */
  readonly destroyed: Promise<never>;
}

async function newPublisher(
  options: { isBlocked?: () => boolean; maxBodyBytes?: number } = {},
): Promise<Subject> {
  const { maxBodyBytes = MAX_BODY_BYTES } = options;
  const channels: CountingChannel[] = [];
  const { promise: destroyed, reject } = Promise.withResolvers<never>();
  destroyed.catch(() => {});
  const publisher = await Publisher.open({
    get isBlocked() {
      return options.isBlocked?.() ?? false;
    },
    openChannel() {
      const channel = new CountingChannel();
      channels.push(channel);
      // The publisher uses no more of a channel than this one has.
      return Promise.resolve(channel as Partial<AmqpChannel> as AmqpChannel);
    },
    destroy: reject,
  }, { confirmTimeoutMs: CONFIRM_TIMEOUT_MS, limits: new BodyLimits(maxBodyBytes) });
  const [channel] = channels;
  assert(channel !== undefined);
  const dispose = () => publisher.close();
  return { channels, channel, publisher, destroyed, [Symbol.asyncDispose]: dispose };
}

function message(correlationId = "id", routingKey = "queue", bytes = 0): AmqpPublish {
  const body = new Uint8Array(bytes);
  return { routingKey, body, mandatory: true, properties: { correlationId } };
}

/** Publishes messages with bodies of so many bytes. */
function publishSizes(publisher: Publisher, ...sizes: readonly number[]) {
  return sizes.map((bytes, n) => publisher.publish(() => message(`${n}`, "queue", bytes)));
}

function idsOf(channel: CountingChannel | undefined): (string | undefined)[] | undefined {
  return channel?.sent.map(({ properties }) => properties.correlationId);
}

Deno.test("Publisher tells what the broker said of each message", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  const outcomes = [1, 2, 3].map((n) => publisher.publish(() => message(`${n}`)));
  channel.confirm("acked");
  channel.confirm("nacked");
  channel.break();
  assertEquals(await Promise.all(outcomes), ["confirmed", "nacked", "unknown"]);
});

Deno.test("Publisher matches returns to the confirms that follow them", async () => {
  const ids = fc.array(fc.record({ id: fc.nat({ max: 5 }), isReturned: fc.boolean() }));
  await fc.assert(fc.asyncProperty(ids, async (entries) => {
    await using subject = await newPublisher();
    const { channel, publisher } = subject;
    const outcomes = entries.map(({ id }, n) => publisher.publish(() => message(`${id}`, `q${n}`)));
    for (const { properties, routingKey } of channel.sent) {
      if (entries[Number(routingKey.slice(1))]?.isReturned) {
        channel.onReturn({ routingKey, properties });
      }
    }
    entries.forEach(() => channel.confirm("acked"));
    const expected = entries.map(({ isReturned }) => isReturned ? "returned" : "confirmed");
    assertEquals(await Promise.all(outcomes), expected);
  }));
});

Deno.test("Publisher has at most 500 unconfirmed messages at a time", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  let prepared = 0;
  const outcomes = Array.from({ length: 1_200 }, () =>
    publisher.publish(() => {
      prepared++;
      return message();
    }));
  assertEquals([prepared, channel.unconfirmed], [500, 500]);
  channel.confirm("acked");
  assertEquals([prepared, channel.unconfirmed], [501, 500]);
  while (channel.unconfirmed > 0) {
    channel.confirm("acked");
    assert(channel.unconfirmed <= 500);
  }
  assertEquals(new Set(await Promise.all(outcomes)), new Set(["confirmed"]));
});

Deno.test("Publisher sends in order, also what had to wait", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  const ids = Array.from({ length: 1_100 }, (_, n) => `${n}`);
  const outcomes = ids.map((id) => publisher.publish(() => message(id)));
  while (channel.unconfirmed > 0) channel.confirm("acked");
  await Promise.all(outcomes);
  assertEquals(channel.sent.map(({ properties }) => properties.correlationId), ids);
});

Deno.test("Publisher does not send what is not wanted any more", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  assertEquals(await publisher.publish(() => undefined), "unsent");
  assertEquals(channel.sent, []);
});

Deno.test("Publisher prepares nothing more once its channel has closed", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  let prepared = 0;
  const publish = () =>
    publisher.publish(() => {
      prepared++;
      return message();
    });
  const outcomes = Array.from({ length: 700 }, publish);
  channel.break();
  outcomes.push(publish());
  const counts = new Map<PublishOutcome, number>();
  for (const outcome of await Promise.all(outcomes)) {
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  assertEquals([...counts], [["unknown", 500], ["unsent", 201]]);
  assertEquals([prepared, channel.sent.length], [500, 500]);
});

Deno.test("Publisher rejects a message that cannot be encoded, and goes on", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  const broken = publisher.publish(() => {
    throw new TypeError("a header of a strange type");
  });
  await assertRejects(() => broken, TypeError);
  const outcome = publisher.publish(() => message());
  channel.confirm("acked");
  assertEquals(await outcome, "confirmed");
});

Deno.test("Publisher replaces a channel that has not confirmed anything", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const [refused, pending] = [1, 2].map((n) => publisher.publish(() => message(`${n}`)));
  channel.confirm("nacked");
  assertEquals(await refused, "stranded");
  const waiting = publisher.publish(() => message("3"));
  await eventually(() => assertEquals(channels[1]?.sent.length, 1));
  assert(channel.isOpen, "what is unconfirmed may still be confirmed");
  channel.confirm("acked");
  assertEquals(await pending, "confirmed");
  assert(!channel.isOpen);
  channels[1]?.confirm("acked");
  assertEquals(await waiting, "confirmed");
  assert(publisher.isOpen);
});

Deno.test("Publisher does not take what came back for proof of a channel", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const returned = message("1");
  const outcomes = [returned, message("2")].map((each) => publisher.publish(() => each));
  channel.onReturn(returned);
  channel.confirm("acked");
  channel.confirm("nacked");
  assertEquals(await Promise.all(outcomes), ["returned", "stranded"]);
  await eventually(() => assertEquals(channels.length, 2));
});

Deno.test("Publisher keeps a channel that has confirmed something", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const answers = ["acked", "nacked", "nacked"] as const;
  const outcomes = answers.map(() => publisher.publish(() => message()));
  for (const answer of answers) channel.confirm(answer);
  await Promise.all(outcomes);
  const last = publisher.publish(() => message());
  assertEquals([channels.length, channel.unconfirmed], [1, 1]);
  channel.confirm("acked");
  assertEquals(await last, "confirmed");
});

Deno.test("Publisher cannot tell what a replaced channel takes with it", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const outcomes = [1, 2].map((n) => publisher.publish(() => message(`${n}`)));
  channel.confirm("nacked");
  await eventually(() => assertEquals(channels.length, 2));
  await Promise.resolve();
  channel.break();
  assertEquals(await Promise.all(outcomes), ["stranded", "unknown"]);
  assert(publisher.isOpen);
});

Deno.test("Publisher does not take a late refusal for that of a channel that works", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const outcomes = [1, 2].map((n) => publisher.publish(() => message(`${n}`)));
  channel.confirm("nacked");
  const next = publisher.publish(() => message("3"));
  await eventually(() => assertEquals(channels[1]?.sent.length, 1));
  channels[1]?.confirm("acked");
  assertEquals(await next, "confirmed");
  channel.confirm("nacked");
  assertEquals(await Promise.all(outcomes), ["stranded", "stranded"]);
});

Deno.test("Publisher ends a connection that confirms nothing any more", async () => {
  await using subject = await newPublisher();
  const outcome = subject.publisher.publish(() => message());
  await assertRejects(() => subject.destroyed, Error, `nothing for ${CONFIRM_TIMEOUT_MS} ms`);
  subject.channel.break();
  assertEquals(await outcome, "unknown");
});

Deno.test("Publisher forgives the silence of a broker that blocks publishers", async () => {
  let asked = 0;
  const isBlocked = () => ++asked <= 3;
  await using subject = await newPublisher({ isBlocked });
  subject.publisher.publish(() => message());
  await assertRejects(() => subject.destroyed);
  // Once more for each timer that this machine fires too late.
  assertGreater(asked, 3);
});

Deno.test("Publisher sends no body of more bytes than it may", async () => {
  await using subject = await newPublisher();
  const { channel, publisher } = subject;
  const outcomes = publishSizes(publisher, MAX_BODY_BYTES, MAX_BODY_BYTES + 1);
  channel.confirm("acked");
  assertEquals(await Promise.all(outcomes), ["confirmed", "too-large"]);
  assertEquals(idsOf(channel), ["0"]);
  const text = () => ({ ...message(), body: "ä".repeat(MAX_BODY_BYTES / 2 + 1) });
  assertEquals(await publisher.publish(text), "too-large");
});

Deno.test("Publisher blames the one message that is too large, and goes on", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const outcomes = publishSizes(publisher, 1, 200, 2, 3);
  channel.refuse(100);
  assert(publisher.isOpen, "others are published meanwhile");
  const later = publisher.publish(() => message("later"));
  assertEquals(await Promise.all(outcomes.slice(0, 2)), ["unknown", "too-large"]);
  await eventually(() => assertEquals(idsOf(channels[1]), ["2", "3", "later"]));
  for (const _ of [1, 2, 3]) channels[1]?.confirm("acked");
  assertEquals(await Promise.all([...outcomes.slice(2), later]), Array(3).fill("confirmed"));
});

Deno.test("Publisher never sends what it knows to be refused", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const outcomes = publishSizes(publisher, 200, 201, 1);
  channel.refuse(100);
  assertEquals(await outcomes[1], "too-large");
  assertEquals(await publisher.publish(() => message("more", "queue", 101)), "too-large");
  assertEquals(idsOf(channels[1]), ["2"]);
  channels[1]?.confirm("acked");
  assertEquals(await outcomes[2], "confirmed");
});

Deno.test("Publisher forgets a limit that the broker does not have any more", async () => {
  await using subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const stranded = publisher.publish(() => message("stranded"));
  const [taken] = publishSizes(publisher, 300);
  channel.confirm("nacked");
  assertEquals(await stranded, "stranded");
  await eventually(() => assertEquals(channels.length, 2));
  await Promise.resolve();
  // Two channels for a moment: the new one has another limit than the old.
  const [refused] = publishSizes(publisher, 200);
  channels[1]?.refuse(100);
  assertEquals(await refused, "too-large");
  channel.confirm("acked");
  assertEquals(await taken, "confirmed");
  await eventually(() => assertEquals(channels.length, 3));
  const [later] = publishSizes(publisher, 300);
  await eventually(() => assertEquals(idsOf(channels[2]), ["0"]));
  channels[2]?.confirm("acked");
  assertEquals(await later, "confirmed");
});

Deno.test("Publisher leaves unsent what waits for a channel when it closes", async () => {
  const subject = await newPublisher();
  const { channels, channel, publisher } = subject;
  const outcomes = publishSizes(publisher, 200, 1);
  channel.refuse(100);
  await publisher.close();
  assertEquals(await Promise.all(outcomes), ["too-large", "unsent"]);
  assertEquals([channels.length, publisher.isOpen], [1, false]);
});

Deno.test("Publisher sends a body that may be refused when nothing is unconfirmed", async () => {
  await using subject = await newPublisher({ maxBodyBytes: Infinity });
  const { channels, channel, publisher } = subject;
  const outcomes = publishSizes(publisher, 1, 200_000, 2, 150_000);
  assertEquals(idsOf(channel), ["0"]);
  channel.confirm("acked");
  assertEquals(idsOf(channel), ["0", "1", "2"]);
  channel.refuse(150_000);
  assertEquals(await Promise.all(outcomes.slice(0, 2)), ["confirmed", "too-large"]);
  await eventually(() => assertEquals(idsOf(channels[1]), ["2"]));
  channels[1]?.confirm("acked");
  assertEquals(idsOf(channels[1]), ["2", "3"]);
  // What has been taken proves that the like of it is.
  const more = publishSizes(publisher, 1, 150_000);
  assertEquals(idsOf(channels[1]), ["2", "3", "0"]);
  for (let n = 0; n < 4; n++) channels[1]?.confirm("acked");
  assertEquals(await Promise.all([...outcomes.slice(2), ...more]), Array(4).fill("confirmed"));
  publishSizes(publisher, 1, 150_000, 140_000);
  assertEquals(channels[1]?.sent.length, 7);
});

Deno.test("Publisher does not send what it holds when its channel closes", async () => {
  await using subject = await newPublisher({ maxBodyBytes: Infinity });
  const outcomes = publishSizes(subject.publisher, 1, 200_000, 2);
  subject.channel.break();
  assertEquals(await Promise.all(outcomes), ["unknown", "unsent", "unsent"]);
});
