import type { AmqpPublish } from "../../../internal/broker/amqp.ts";
import { BodyLimits } from "../../../internal/broker/body_limits.ts";
import type { PublishOutcome } from "../../../internal/broker/publisher.ts";
import { ActiveRequest } from "../../../internal/serving/active_requests.ts";
import type { Recipient } from "../../../internal/protocol/parking.ts";
import { Replies } from "../../../internal/serving/replies.ts";
import { eventually } from "../../helpers/eventually.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { assert, assertEquals, assertStringIncludes } from "../../../deps/std_assert.ts";

const REPLY: AmqpPublish = { routingKey: "q", body: "1", mandatory: true, properties: {} };

/** A reply queue whose node is down. */
const LOST = "amq.gen-lost";
const UNKNOWN = "amq.gen-unknown";

/** A durable reply queue whose node is down for a while. */
const DURABLE = "rpc.replies.billing";

const WANTED = { isWanted: true };
const UNWANTED = { isWanted: false };

/** Replies to a broker that answers with these, in turn. */
function repliesTo(...answers: (PublishOutcome | Error)[]) {
  return repliesThrough({}, ...answers);
}

/** The same, through a session that has something besides. */
function repliesThrough(
  more: {
    readonly catchUp?: () => Promise<boolean>;
    readonly nodeStart?: { whenOver(address: string): Promise<void> | undefined };
  },
  ...answers: (PublishOutcome | Error)[]
) {
  const published: AmqpPublish[] = [];
  const publish = (prepare: () => AmqpPublish): Promise<PublishOutcome> => {
    published.push(prepare());
    const answer = answers.shift() ?? "confirmed";
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const session = { channels: [], publisher: { publish }, ...more };
  const whenOpen = () => Promise.resolve(session);
  const callers = {
    isLost: (queue: string, refusedMs: number) =>
      Promise.resolve(queue === LOST || (queue === UNKNOWN && refusedMs >= 300)),
    isAwaited: (queue: string, missingMs: number) =>
      Promise.resolve(queue === DURABLE && missingMs < 1_200),
  };
  const sessions = { publisher: { session, whenOpen } };
  const limits = new BodyLimits(100);
  return { replies: new Replies({ sessions, callers, limits }), published };
}

function publish(message: AmqpPublish, recipient: Recipient, ...answers: PublishOutcome[]) {
  return repliesTo(...answers).replies.publish(message, recipient);
}

Deno.test("Replies.publish() tries again what was not sent", async () => {
  assertEquals(await publish(REPLY, WANTED, "unknown", "unsent", "confirmed"), "confirmed");
});

Deno.test("Replies.publish() tells that a queue does not exist", async () => {
  assertEquals(await publish(REPLY, WANTED, "returned"), "orphaned");
});

Deno.test("Replies.publish() believes a node that a queue is not there once it has caught up", async () => {
  const caughtUp = [false, true];
  const catchUp = () =>
    caughtUp.shift() === false ? Promise.reject(new Error("lost")) : Promise.resolve(true);
  const queues: PublishOutcome[] = ["returned", "returned", "confirmed"];
  const late = repliesThrough({ catchUp }, ...queues);
  assertEquals(await late.replies.publish(REPLY, WANTED), "confirmed");
  assertEquals(caughtUp, []);
  const informed = () => Promise.resolve(true);
  const gone = repliesThrough({ catchUp: informed }, "returned", "returned", "confirmed");
  assertEquals(await gone.replies.publish(REPLY, WANTED), "orphaned");
  const direct = { ...REPLY, routingKey: "amq.rabbitmq.reply-to.g1h2.k" };
  const left = repliesThrough({ catchUp: informed }, "returned", "confirmed");
  assertEquals(await left.replies.publish(direct, WANTED), "orphaned");
});

Deno.test("Replies.publish() keeps direct replies until the start of the node is over", async () => {
  const direct = { ...REPLY, routingKey: "amq.rabbitmq.reply-to.g1h2.k" };
  const over = Promise.withResolvers<void>();
  const nodeStart = { whenOver: () => over.promise };
  const { replies, published } = repliesThrough({ nodeStart });
  const outcome = replies.publish(direct, WANTED);
  assertEquals(await replies.publish(REPLY, WANTED), "confirmed");
  assertEquals(published, [REPLY]);
  over.resolve();
  assertEquals(await outcome, "confirmed");
  assertEquals(published, [REPLY, direct]);
});

Deno.test("Replies.publish() insists while the caller waits", async () => {
  assertEquals(await publish(REPLY, WANTED, "nacked", "confirmed"), "confirmed");
});

Deno.test("Replies.publish() does not insist where the queue is lost with its node", async () => {
  const lost = { ...REPLY, routingKey: LOST };
  assertEquals(await publish(lost, WANTED, "nacked", "confirmed"), "orphaned");
  assertEquals(await publish(lost, WANTED, "stranded", "confirmed"), "orphaned");
  assertEquals(await publish(lost, WANTED, "unknown", "confirmed"), "confirmed");
});

Deno.test("Replies.publish() says for how long a queue has refused all", async () => {
  const unknown = { ...REPLY, routingKey: UNKNOWN };
  assertEquals(await publish(unknown, WANTED, "nacked", "nacked", "confirmed"), "confirmed");
  const nacks = Array.from({ length: 20 }, () => "nacked" as const);
  assertEquals(await publish(unknown, WANTED, ...nacks), "orphaned");
});

Deno.test("Replies.publish() insists while a durable reply queue may come back", async () => {
  const durable = { ...REPLY, routingKey: DURABLE };
  assertEquals(await publish(durable, WANTED, "returned", "returned", "confirmed"), "confirmed");
  assertEquals(await publish(durable, UNWANTED, "returned", "confirmed"), "orphaned");
  const returns = Array.from({ length: 20 }, () => "returned" as const);
  assertEquals(await publish(durable, WANTED, ...returns), "orphaned");
});

Deno.test("Replies.publish() stops when nobody waits any more", async () => {
  assertEquals(await publish(REPLY, UNWANTED, "nacked", "confirmed"), "unpublished");
});

Deno.test("Replies.publish() insists when the connection is lost", async () => {
  const losses = Array.from({ length: 20 }, () => "unknown" as const);
  assertEquals(await publish(REPLY, WANTED, ...losses), "confirmed");
});

Deno.test("Replies.publish() repeats a direct reply only once", async () => {
  const direct = { ...REPLY, routingKey: "amq.rabbitmq.reply-to.g1h2.k" };
  assertEquals(
    await publish(direct, WANTED, "unknown", "unsent", "unsent", "confirmed"),
    "confirmed",
  );
  assertEquals(
    await publish(direct, WANTED, "unknown", "unsent", "unknown", "confirmed"),
    "unpublished",
  );
});

Deno.test("Replies.send() tells what the caller got", async () => {
  const output = { type: "output", body: "1", contentType: "application/json" } as const;
  const active = new ActiveRequest(fakeDelivery({ properties: { replyTo: "q" } }));
  assertEquals(await repliesTo().replies.send(active, output), "output");
  assertEquals(
    await repliesTo().replies.send(active, { ...output, type: "end", seq: 3 }),
    "output",
  );
  assertEquals(await repliesTo().replies.send(active, { ...output, type: "error" }), "error");
  assertEquals(await repliesTo("returned").replies.send(active, output), "orphaned");
});

Deno.test("Replies.send() names the callback also of a reply that does not fit", async () => {
  const properties = { replyTo: "q", correlationId: "id", headers: { "rpc-callback": "mine" } };
  const active = new ActiveRequest(fakeDelivery({ properties }));
  const { replies, published } = repliesTo(new TypeError("no body"));
  const odd = { type: "output", body: "1", contentType: "application/json" } as const;
  assertEquals(await replies.send(active, odd), "error");
  assertEquals(published.map(({ properties }) => [properties.type, properties.headers]), [
    ["output", { "rpc-callback": "mine" }],
    ["error", { "rpc-callback": "mine" }],
  ]);
});

Deno.test("Replies.send() says in a few words that a reply is too large, once", async () => {
  const active = new ActiveRequest(fakeDelivery({ properties: { replyTo: "q" } }));
  const output = { type: "output", body: "x".repeat(101), contentType: "text/plain" } as const;
  const { replies, published } = repliesTo("too-large");
  assertEquals(await replies.send(active, output), "error");
  const [, reason] = published.map(({ body }) => body);
  assertStringIncludes(`${reason}`, "as its output has 101 bytes");
  assertStringIncludes(`${reason}`, '"too-large"');
  const small = repliesTo("too-large", "too-large");
  assertEquals(await small.replies.send(active, output), "unpublished");
  assertEquals(small.published.length, 2);
});

Deno.test("Replies.publish() gives a message up that the broker does not bear", async () => {
  const { replies, published } = repliesTo("suspect", "suspect", "suspect");
  assertEquals(await replies.publish(REPLY, WANTED), "unpublished");
  assertEquals(published.length, 3);
  assertEquals(await publish(REPLY, WANTED, "suspect", "suspect", "confirmed"), "confirmed");
});

Deno.test("Replies.publish() drops no other message than the one that closes channels", async () => {
  const sent: { readonly id: string; readonly settle: (outcome: PublishOutcome) => void }[] = [];
  const publish = (prepare: () => AmqpPublish): Promise<PublishOutcome> => {
    const { promise, resolve } = Promise.withResolvers<PublishOutcome>();
    sent.push({ id: `${prepare().body}`, settle: resolve });
    return promise;
  };
  const session = { channels: [], publisher: { publish } };
  const sessions = { publisher: { session, whenOpen: () => Promise.resolve(session) } };
  const callers = { isLost: () => Promise.resolve(false), isAwaited: () => Promise.resolve(false) };
  const replies = new Replies({ sessions, callers, limits: new BodyLimits() });
  const ids = ["good 1", "bad", "good 2", "good 3"];
  const outcomes = ids.map((body) => replies.publish({ ...REPLY, body }, WANTED));
  await eventually(() => assertEquals(sent.length, ids.length));
  const rounds: string[][] = [];
  for (let round = sent.splice(0); round.length > 0; round = sent.splice(0)) {
    rounds.push(round.map(({ id }) => id));
    // The broker closes the channel, and with it confirms nothing that is on it.
    const isBad = round.some(({ id }) => id === "bad");
    for (const { settle } of round) settle(isBad ? "suspect" : "confirmed");
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(await Promise.all(outcomes), ["confirmed", "unpublished", "confirmed", "confirmed"]);
  const alone = rounds.slice(1);
  assert(alone.length >= 5 && alone.every(({ length }) => length === 1), rounds.join(" | "));
});
