import { assertEquals } from "../../../deps/std_assert.ts";
import { ActiveRequests } from "../../../internal/serving/active_requests.ts";
import {
  CallerPresence,
  type PresenceQuestions,
  type QueueLookup,
} from "../../../internal/serving/callers/caller_presence.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { fakeWork } from "../../helpers/fake_work.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

function presenceOf(
  lacksQueue: QueueLookup,
  requests = new ActiveRequests(),
  hasMajority: PresenceQuestions["hasMajority"] = () => Promise.resolve(true),
): CallerPresence {
  return new CallerPresence(requests, { lacksQueue, hasMajority });
}

/** Has so many requests run, each of a caller of its own. */
function startRequests(requests: ActiveRequests, count: number): void {
  for (let n = 1; n <= count; n++) {
    const active = requests.add(fakeDelivery({ properties: { replyTo: `amq.gen-${n}` } }));
    active.run(fakeWork(), Promise.withResolvers());
  }
}

Deno.test("CallerPresence.isLost() believes a broker that answers", async () => {
  for (const isGone of [true, false]) {
    const presence = presenceOf(() => Promise.resolve(isGone));
    assertEquals(await presence.isLost("amq.gen-a", isGone ? 0 : 60_000), isGone);
  }
  assertEquals(
    await presenceOf(() => Promise.reject(new Error("lost"))).isLost("amq.gen-a", 60_000),
    false,
  );
  assertEquals(await presenceOf(() => undefined).isLost("amq.gen-a", 60_000), false);
});

Deno.test("CallerPresence.isLost() goes by the time of refusal where it may not ask", async () => {
  const presence = presenceOf(() => Promise.resolve(undefined));
  assertEquals(await presence.isLost("amq.gen-a", 299), false);
  assertEquals(await presence.isLost("amq.gen-a", 300), true);
  assertEquals(await presence.isLost("rpc.replies.billing", 60_000), false);
});

Deno.test("CallerPresence.isLost() knows only of queues that the broker named", async () => {
  const asked: string[] = [];
  const presence = presenceOf((queue) => {
    asked.push(queue);
    return Promise.resolve(true);
  });
  for (const queue of ["rpc.replies.billing", "amq.rabbitmq.reply-to.g1h2.k"]) {
    assertEquals(await presence.isLost(queue, 0), false);
  }
  assertEquals(asked, []);
});

Deno.test("CallerPresence.isAwaited() waits for the node of a durable reply queue", async () => {
  const queue = "rpc.replies.billing";
  const down = presenceOf(() => Promise.resolve(false));
  for (const ms of [0, 6_000, 60_000]) assertEquals(await down.isAwaited(queue, ms), true);
  assertEquals(await down.isAwaited(queue, 21 * 60_000), false);
  // Nobody has it, or nobody may know: its client has some seconds to declare it again.
  for (const answer of [true, undefined]) {
    const gone = presenceOf(() => Promise.resolve(answer));
    assertEquals([await gone.isAwaited(queue, 4_000), await gone.isAwaited(queue, 6_000)], [
      true,
      false,
    ]);
  }
  assertEquals(await presenceOf(() => undefined).isAwaited(queue, 6_000), true);
  for (const gone of ["amq.gen-a", "amq.rabbitmq.reply-to.g1h2.k"]) {
    assertEquals(await down.isAwaited(gone, 0), false);
  }
  // Others have queues that come back, too, and most that do not.
  assertEquals(await down.isAwaited("shop.answers", 0), true);
  assertEquals(await presenceOf(() => Promise.resolve(true)).isAwaited("shop.answers", 0), false);
});

Deno.test("CallerPresence.isLost() waits ever less for a broker that gives no answer", async () => {
  using time = new FakeTime();
  let asked = 0;
  const presence = presenceOf(() => {
    asked++;
    return new Promise(() => {});
  });
  const isLostWithin = async (queue: string, ms: number) => {
    let answer: boolean | undefined;
    presence.isLost(queue, 0).then((isLost) => answer = isLost);
    await time.advance(ms - 1);
    assertEquals(answer, undefined, `${queue} is lost too early`);
    await time.advance(1);
    assertEquals(answer, true);
  };
  await isLostWithin("amq.gen-0", 200);
  assertEquals(await presence.isLost("amq.gen-0", 0), true);
  for (let n = 1; n < 16; n++) await isLostWithin(`amq.gen-${n}`, 50);
  assertEquals(await presence.isLost("amq.gen-16", 0), true);
  assertEquals(asked, 16);
});

Deno.test("CallerPresence.isLost() asks as patiently as before once all is answered", async () => {
  using time = new FakeTime();
  const late = Promise.withResolvers<boolean>();
  const presence = presenceOf((queue) =>
    queue === "amq.gen-late" ? late.promise : new Promise((resolve) => {
      setTimeout(() => resolve(false), 150);
    })
  );
  const first = presence.isLost("amq.gen-late", 0);
  await time.advance(200);
  assertEquals(await first, true);
  late.resolve(true);
  await time.settle();
  const second = presence.isLost("amq.gen-slow", 0);
  await time.advance(150);
  assertEquals(await second, false);
});

Deno.test("CallerPresence.isLost() blames no caller while its own node is cut off", async () => {
  using time = new FakeTime();
  const majority = Promise.withResolvers<boolean>();
  let asked = 0;
  const presence = presenceOf(() => new Promise(() => {}), new ActiveRequests(), () => {
    asked++;
    return majority.promise;
  });
  for (let attempt = 0; attempt < 3; attempt++) {
    const isLost = presence.isLost("amq.gen-a", 0);
    await time.advance(1_000);
    assertEquals(await isLost, false);
  }
  assertEquals(asked, 1);
  majority.resolve(true);
  await time.settle();
  // What was asked while the node was cut off is asked anew.
  assertEquals(await presence.isLost("amq.gen-a", 0), false);
  const isLost = presence.isLost("amq.gen-a", 0);
  await time.advance(200);
  assertEquals(await isLost, true);
  assertEquals(presence.mayReturn("amq.gen-a"), true);
});

Deno.test("CallerPresence.isLost() goes by what it learns while it waits for the majority", async () => {
  using time = new FakeTime();
  const majority = Promise.withResolvers<boolean>();
  const lookup = Promise.withResolvers<boolean>();
  const questions = { lacksQueue: () => lookup.promise, hasMajority: () => majority.promise };
  const presence = new CallerPresence(new ActiveRequests(), questions);
  const first = presence.isLost("amq.gen-a", 0);
  await time.advance(700);
  assertEquals(await first, false);
  const second = presence.isLost("amq.gen-a", 0);
  // The nodes have met again: the queue is there.
  lookup.resolve(false);
  await time.settle();
  majority.resolve(true);
  assertEquals(await second, false);
});

Deno.test("CallerPresence.isLost() goes by no answer from before the node was cut off", async () => {
  using time = new FakeTime();
  let isCutOff = false;
  const presence = presenceOf(() => new Promise(() => {}), new ActiveRequests(), () => {
    return isCutOff ? new Promise(() => {}) : Promise.resolve(true);
  });
  const before = presence.isLost("amq.gen-a", 0);
  await time.advance(200);
  assertEquals(await before, true);
  isCutOff = true;
  const during = presence.isLost("amq.gen-b", 0);
  await time.advance(550);
  assertEquals(await during, false);
});

Deno.test("CallerPresence believes at the second answer that a caller is gone", async () => {
  using time = new FakeTime();
  const requests = new ActiveRequests();
  // A node that was cut off does not know yet what the others have declared.
  const answers = [true, false];
  const presence = presenceOf(() => Promise.resolve(answers.shift() ?? false), requests);
  startRequests(requests, 1);
  presence.watch();
  await time.advance(2_000);
  assertEquals(answers, []);
  const next = requests.add(fakeDelivery({ properties: { replyTo: "amq.gen-1" } }));
  assertEquals(next.dropReason, undefined);
  presence.stop();
});

Deno.test("CallerPresence learns anew whether it may look, as another node may say so", async () => {
  const answers = [undefined, false];
  const presence = presenceOf(() => Promise.resolve(answers.shift()));
  await presence.isLost("amq.gen-a", 0);
  assertEquals(presence.mayReturn("amq.gen-a"), true);
  await presence.isLost("amq.gen-a", 0);
  assertEquals(presence.mayReturn("amq.gen-a"), false);
});

Deno.test("CallerPresence serves a caller again that was only out of reach", async () => {
  using time = new FakeTime();
  const requests = new ActiveRequests();
  const presence = presenceOf(
    () => new Promise((resolve) => setTimeout(() => resolve(true), 64_000)),
    requests,
  );
  startRequests(requests, 1);
  presence.watch();
  await time.advance(70_000);
  const next = requests.add(fakeDelivery({ properties: { replyTo: "amq.gen-1" } }));
  assertEquals(next.dropReason, undefined);
  presence.stop();
});

Deno.test("CallerPresence looks for all callers side by side, for each one at a time", async () => {
  using time = new FakeTime();
  const requests = new ActiveRequests();
  const lookups: PromiseWithResolvers<boolean>[] = [];
  const presence = presenceOf(() => {
    const lookup = Promise.withResolvers<boolean>();
    lookups.push(lookup);
    return lookup.promise;
  }, requests);
  startRequests(requests, 3);
  presence.watch();
  await time.advance(60_000);
  assertEquals(lookups.length, 3);
  for (const { resolve } of lookups.splice(0)) resolve(false);
  await time.advance(60_000);
  assertEquals(lookups.length, 3);
  presence.stop();
  assertEquals(time.timers, 0);
});

Deno.test("CallerPresence drops the requests of a caller that is gone", async () => {
  using time = new FakeTime();
  const requests = new ActiveRequests();
  const presence = presenceOf((queue) => Promise.resolve(queue === "amq.gen-2"), requests);
  startRequests(requests, 2);
  presence.watch();
  await time.advance(2_000);
  const late = [1, 2].map((n) =>
    requests.add(fakeDelivery({ properties: { replyTo: `amq.gen-${n}` } })).dropReason?.code
  );
  assertEquals(late, [undefined, "orphaned"]);
  presence.stop();
});
