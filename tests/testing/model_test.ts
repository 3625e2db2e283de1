import { assert, assertEquals, assertFalse } from "../../deps/std_assert.ts";
import { VirtualClock } from "../../testing/clock.ts";
import {
  type Consumer,
  ConsumerRotation,
  SingleActiveConsumer,
} from "../../testing/model/consumer.ts";
import { matchesHeaders } from "../../testing/model/headers_match.ts";
import type { QueuedMessage } from "../../testing/model/message.ts";
import { QuorumMessages } from "../../testing/model/quorum_messages.ts";
import { ClassicMessages, type ReadyMessages } from "../../testing/model/ready_messages.ts";
import { compileTopicPattern } from "../../testing/model/topic_pattern.ts";
import { User } from "../../testing/model/users.ts";
import { Confirms } from "../../testing/session/confirms.ts";
import { BasicProperties } from "../../testing/wire/basic_properties.ts";
import { type FieldValue, longString } from "../../testing/wire/field_value.ts";
import { refusal } from "./helpers/both_brokers.ts";

for (
  const [pattern, matching, other] of [
    ["a.b", ["a.b"], ["a", "a.b.c", ""]],
    ["*", ["a", "b"], ["", "a.b"]],
    ["#", ["", "a", "a.b.c"], []],
    ["a.#", ["a", "a.b", "a.b.c"], ["b.a", ""]],
    ["#.c", ["c", "a.c", "a.b.c"], ["c.a"]],
    ["a.*.c", ["a.b.c"], ["a.c", "a.b.b.c"]],
    ["#.b.#", ["b", "a.b", "b.c", "a.b.c"], ["a.c"]],
    ["*.#.*", ["a.b", "a.b.c"], ["a", ""]],
    ["", [""], ["a"]],
  ] as const
) {
  Deno.test(`TopicPattern "${pattern}" matches as in RabbitMQ`, () => {
    const compiled = compileTopicPattern(pattern);
    for (const key of matching) assert(compiled.matches(key), key);
    for (const key of other) assertFalse(compiled.matches(key), key);
  });
}

Deno.test("TopicPattern of many wildcards takes no long time", () => {
  const pattern = compileTopicPattern("#.".repeat(100) + "z");
  assertFalse(pattern.matches("a.".repeat(100) + "a"));
});

const LOOSE = { isStrict: false };

Deno.test("matchesHeaders() asks for all criteria by default", () => {
  const criteria = table({ a: integer(1), b: longString("x") });
  assert(
    matchesHeaders(criteria, table({ a: integer(1), b: longString("x"), c: integer(0) }), LOOSE),
  );
  assertFalse(matchesHeaders(criteria, table({ a: integer(1) }), LOOSE));
});

Deno.test("matchesHeaders() of kind any asks for one criterion", () => {
  const criteria = table({ "x-match": longString("any"), a: integer(1), b: integer(2) });
  assert(matchesHeaders(criteria, table({ b: integer(2) }), LOOSE));
  assertFalse(matchesHeaders(criteria, table({ b: integer(3) }), LOOSE));
});

Deno.test("matchesHeaders() leaves x- criteria out unless told otherwise", () => {
  const headers = table({ "x-a": integer(1) });
  const all = table({ "x-match": longString("any"), "x-a": integer(1) });
  assertFalse(matchesHeaders(all, headers, LOOSE));
  const withX = table({ "x-match": longString("any-with-x"), "x-a": integer(1) });
  assert(matchesHeaders(withX, headers, LOOSE));
});

Deno.test("matchesHeaders() takes any value for a void criterion", () => {
  const criteria = table({ a: { type: "void", value: undefined } });
  assert(matchesHeaders(criteria, table({ a: longString("anything") }), LOOSE));
  assertFalse(matchesHeaders(criteria, table({}), LOOSE));
});

Deno.test("ClassicMessages serves higher priorities first", () => {
  const ready = new ClassicMessages(2);
  for (const [position, priority] of [[0, 0], [1, 2], [2, 1], [3, 2]] as const) {
    ready.push(entry(position, { priority }));
  }
  assertEquals(positions(ready), [1, 3, 2, 0]);
});

Deno.test("ClassicMessages puts messages back at their old place", () => {
  const ready = new ClassicMessages(0);
  const [first, second] = [entry(0), entry(1)];
  ready.push(entry(2));
  ready.putBack(second);
  ready.putBack(first);
  assertEquals(positions(ready), [0, 1, 2]);
});

Deno.test("ClassicMessages expires at the head of its first priority only", () => {
  const ready = new ClassicMessages(1);
  ready.push(entry(0, { expiresAt: 5 }));
  ready.push(entry(1, { priority: 1, expiresAt: 5 }));
  ready.push(entry(2, { priority: 1 }));
  assertEquals(ready.nextExpiry(), 5);
  assertEquals(ready.takeExpired(5).map(({ position }) => position), [1]);
  assertEquals(ready.nextExpiry(), undefined);
  assertEquals(ready.shift()?.position, 2);
  assertEquals(ready.takeExpired(5).map(({ position }) => position), [0]);
});

Deno.test("ClassicMessages counts messages and bytes", () => {
  const ready = new ClassicMessages(0);
  for (let position = 0; position < 100; position++) ready.push(entry(position));
  for (let position = 0; position < 60; position++) ready.shift();
  assertEquals([ready.length, ready.bytes], [40, 120]);
  assertEquals(ready.shift()?.position, 60);
  assertEquals(ready.clear().length, 39);
  assertEquals([ready.length, ready.bytes], [0, 0]);
});

Deno.test("QuorumMessages puts messages back as they come", () => {
  const ready = new QuorumMessages("none");
  ready.push(entry(2));
  ready.putBack(entry(1));
  ready.putBack(entry(0));
  assertEquals(positions(ready), [1, 0, 2]);
});

Deno.test("QuorumMessages takes the oldest every third time if two-to-one", () => {
  const ready = new QuorumMessages("two-to-one");
  for (const [position, priority] of [0, 0, 0, 1, 1, 1, 1, 1].entries()) {
    ready.push(entry(position, { priority }));
  }
  assertEquals(positions(ready), [3, 4, 0, 5, 6, 1, 7, 2]);
});

Deno.test("QuorumMessages expires at the head of each priority if strict", () => {
  const ready = new QuorumMessages("strict");
  ready.push(entry(0, { priority: 9 }));
  ready.push(entry(1, { priority: 4, expiresAt: 7 }));
  ready.push(entry(2, { priority: 0, expiresAt: 5 }));
  assertEquals(ready.nextExpiry(), 5);
  assertEquals(ready.takeExpired(7).map(({ position }) => position), [1, 2]);
  assertEquals([ready.length, ready.nextExpiry()], [1, undefined]);
});

Deno.test("ConsumerRotation takes turns among those with room", () => {
  const rotation = new ConsumerRotation();
  const [one, two, full] = [consumer("one"), consumer("two"), consumer("full", { room: false })];
  for (const each of [one, full, two]) rotation.add(each);
  const tags = [1, 2, 3].map(() => rotation.next()?.tag);
  assertEquals(tags, ["one", "two", "one"]);
  assertEquals(rotation.size, 3);
});

Deno.test("ConsumerRotation prefers a higher priority", () => {
  const rotation = new ConsumerRotation();
  rotation.add(consumer("low"));
  rotation.add(consumer("high", { priority: 5 }));
  assertEquals([rotation.next()?.tag, rotation.next()?.tag], ["high", "high"]);
});

Deno.test("SingleActiveConsumer is followed by the highest priority", () => {
  const choice = new SingleActiveConsumer({ byPriority: true, replaces: false });
  const one = consumer("one");
  for (const each of [one, consumer("two"), consumer("high", { priority: 5 })]) choice.add(each);
  assertEquals([choice.next()?.tag, choice.next()?.tag], ["one", "one"]);
  choice.remove(one);
  assertEquals(choice.next()?.tag, "high");
});

Deno.test("SingleActiveConsumer is followed in turn where priorities do not count", () => {
  const choice = new SingleActiveConsumer({ byPriority: false, replaces: false });
  const one = consumer("one");
  for (const each of [one, consumer("two"), consumer("high", { priority: 5 })]) choice.add(each);
  choice.remove(one);
  assertEquals(choice.next()?.tag, "two");
});

Deno.test("SingleActiveConsumer gives its place up once it has settled", () => {
  const choice = new SingleActiveConsumer({ byPriority: true, replaces: true });
  const low = consumer("low");
  low.unacked = 1;
  choice.add(low);
  choice.add(consumer("high", { priority: 5 }));
  assertEquals(choice.next(), undefined);
  low.unacked = 0;
  choice.resume(low);
  assertEquals(choice.next()?.tag, "high");
});

Deno.test("SingleActiveConsumer goes on if nobody better is left", () => {
  const choice = new SingleActiveConsumer({ byPriority: true, replaces: true });
  const [low, high] = [consumer("low"), consumer("high", { priority: 5 })];
  low.unacked = 1;
  choice.add(low);
  choice.add(high);
  choice.remove(high);
  assertEquals(choice.next(), undefined);
  low.unacked = 0;
  choice.resume(low);
  assertEquals(choice.next()?.tag, "low");
});

Deno.test("Confirms join what lies below the first open publish", async () => {
  const sent: string[] = [];
  const confirms = new Confirms(({ outcome, deliveryTag, multiple }) => {
    sent.push(`${outcome} ${deliveryTag}${multiple ? " multiple" : ""}`);
  });
  for (let count = 0; count < 6; count++) confirms.open();
  for (const tag of [1, 2, 5]) confirms.settle(tag, "ack");
  confirms.settle(3, "nack");
  await Promise.resolve();
  assertEquals(sent, ["ack 2 multiple", "ack 5", "nack 3"]);
});

Deno.test("User.assertMay() checks the default exchange as amq.default", async () => {
  const permissions = { "/": { write: "^amq\\.default$" } };
  const user = new User({ name: "u", password: "p", permissions });
  const exchange = { kind: "exchange", virtualHost: "/" } as const;
  user.assertMay("write", { ...exchange, name: "" });
  const attempt = (async () => await user.assertMay("write", { ...exchange, name: "x" }))();
  assertEquals(
    await refusal(attempt),
    "ACCESS_REFUSED - access to exchange 'x' in vhost '/' refused for user 'u'",
  );
});

Deno.test("VirtualClock.advance() runs timers in order, at their time", () => {
  const clock = new VirtualClock(1000);
  const ran: [string, number][] = [];
  clock.schedule(20, () => ran.push(["late", clock.now()]));
  clock.schedule(10, () => {
    ran.push(["early", clock.now()]);
    clock.schedule(5, () => ran.push(["nested", clock.now()]));
  });
  clock.schedule(15, () => ran.push(["never", clock.now()])).cancel();
  clock.advance(30);
  assertEquals(ran, [["early", 1010], ["nested", 1015], ["late", 1020]]);
  assertEquals(clock.now(), 1030);
});

function entry(
  position: number,
  { priority = 0, expiresAt }: { priority?: number; expiresAt?: number } = {},
): QueuedMessage {
  return {
    message: {
      exchange: "",
      routingKeys: ["q"],
      properties: BasicProperties.of({}),
      body: new Uint8Array(3),
      annotations: undefined,
    },
    position,
    priority,
    bytes: 3,
    expiresAt,
    redelivered: false,
    acquiredCount: 0,
    failedCount: 0,
  };
}

function positions(ready: ReadyMessages): number[] {
  return ready.clear().map(({ position }) => position);
}

function consumer(
  tag: string,
  { priority = 0, room = true }: { priority?: number; room?: boolean } = {},
): Consumer {
  return {
    tag,
    noAck: false,
    exclusive: false,
    priority,
    prefetch: 0,
    timeoutMs: undefined,
    number: 0,
    unacked: 0,
    overdue: 0,
    sink: { canDeliver: () => room, deliver: () => {}, cancelled: () => {} },
  };
}

function table(entries: Record<string, FieldValue>): Map<string, FieldValue> {
  return new Map(Object.entries(entries));
}

function integer(value: number): FieldValue {
  return { type: "signedint", value: BigInt(value) };
}
