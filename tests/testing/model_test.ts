import { assert, assertEquals, assertFalse } from "../../deps/std_assert.ts";
import { VirtualClock } from "../../testing/clock.ts";
import { type Consumer, ConsumerRotation } from "../../testing/model/consumer.ts";
import { matchesHeaders } from "../../testing/model/headers_match.ts";
import type { QueuedMessage } from "../../testing/model/message.ts";
import { ReadyMessages } from "../../testing/model/ready_messages.ts";
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

Deno.test("matchesHeaders() asks for all criteria by default", () => {
  const criteria = table({ a: integer(1), b: longString("x") });
  assert(matchesHeaders(criteria, table({ a: integer(1), b: longString("x"), c: integer(0) })));
  assertFalse(matchesHeaders(criteria, table({ a: integer(1) })));
});

Deno.test("matchesHeaders() of kind any asks for one criterion", () => {
  const criteria = table({ "x-match": longString("any"), a: integer(1), b: integer(2) });
  assert(matchesHeaders(criteria, table({ b: integer(2) })));
  assertFalse(matchesHeaders(criteria, table({ b: integer(3) })));
});

Deno.test("matchesHeaders() leaves x- criteria out unless told otherwise", () => {
  const headers = table({ "x-a": integer(1) });
  const all = table({ "x-match": longString("any"), "x-a": integer(1) });
  assertFalse(matchesHeaders(all, headers));
  const withX = table({ "x-match": longString("any-with-x"), "x-a": integer(1) });
  assert(matchesHeaders(withX, headers));
});

Deno.test("matchesHeaders() takes any value for a void criterion", () => {
  const criteria = table({ a: { type: "void", value: undefined } });
  assert(matchesHeaders(criteria, table({ a: longString("anything") })));
  assertFalse(matchesHeaders(criteria, table({})));
});

Deno.test("ReadyMessages serves higher priorities first", () => {
  const ready = new ReadyMessages(2, "position");
  for (const [position, priority] of [[0, 0], [1, 2], [2, 1], [3, 2]] as const) {
    ready.push(entry(position, { priority }));
  }
  assertEquals(positions(ready), [1, 3, 2, 0]);
});

Deno.test("ReadyMessages puts messages back at their old place", () => {
  const ready = new ReadyMessages(0, "position");
  const [first, second] = [entry(0), entry(1)];
  ready.push(entry(2));
  ready.putBack(second);
  ready.putBack(first);
  assertEquals(positions(ready), [0, 1, 2]);
});

Deno.test("ReadyMessages puts messages back as they come if quorum", () => {
  const ready = new ReadyMessages(0, "arrival");
  ready.push(entry(2));
  ready.putBack(entry(1));
  ready.putBack(entry(0));
  assertEquals(positions(ready), [1, 0, 2]);
});

Deno.test("ReadyMessages expires at the head of each priority only", () => {
  const ready = new ReadyMessages(1, "position");
  ready.push(entry(0));
  ready.push(entry(1, { expiresAt: 5 }));
  ready.push(entry(2, { priority: 1, expiresAt: 5 }));
  assertEquals(ready.nextExpiry(), 5);
  assertEquals(ready.takeExpired(5).map(({ position }) => position), [2]);
  assertEquals(ready.nextExpiry(), undefined);
  assertEquals(ready.length, 2);
});

Deno.test("ReadyMessages counts messages and bytes", () => {
  const ready = new ReadyMessages(0, "position");
  for (let position = 0; position < 100; position++) ready.push(entry(position));
  for (let position = 0; position < 60; position++) ready.shift();
  assertEquals([ready.length, ready.bytes], [40, 120]);
  assertEquals(ready.dropHead()?.position, 60);
  assertEquals(ready.clear().length, 39);
  assertEquals([ready.length, ready.bytes], [0, 0]);
});

Deno.test("ConsumerRotation takes turns among those with room", () => {
  const rotation = new ConsumerRotation(false);
  const [one, two, full] = [consumer("one"), consumer("two"), consumer("full", { room: false })];
  for (const each of [one, full, two]) rotation.add(each);
  const tags = [1, 2, 3].map(() => rotation.next()?.tag);
  assertEquals(tags, ["one", "two", "one"]);
  assertEquals(rotation.size, 3);
});

Deno.test("ConsumerRotation prefers a higher priority", () => {
  const rotation = new ConsumerRotation(false);
  rotation.add(consumer("low"));
  rotation.add(consumer("high", { priority: 5 }));
  assertEquals([rotation.next()?.tag, rotation.next()?.tag], ["high", "high"]);
});

Deno.test("ConsumerRotation serves one consumer only if told so", () => {
  const rotation = new ConsumerRotation(true);
  const [one, two] = [consumer("one"), consumer("two")];
  rotation.add(one);
  rotation.add(two);
  assertEquals([rotation.next()?.tag, rotation.next()?.tag], ["one", "one"]);
  rotation.remove(one);
  assertEquals(rotation.next()?.tag, "two");
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
    },
    position,
    priority,
    expiresAt,
    redelivered: false,
    deliveryCount: 0,
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
    unacked: 0,
    sink: { canDeliver: () => room, deliver: () => {}, cancelled: () => {} },
  };
}

function table(entries: Record<string, FieldValue>): Map<string, FieldValue> {
  return new Map(Object.entries(entries));
}

function integer(value: number): FieldValue {
  return { type: "signedint", value: BigInt(value) };
}
