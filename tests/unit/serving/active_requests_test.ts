import { assertEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { type ActiveRequest, ActiveRequests } from "../../../internal/serving/active_requests.ts";
import type { Seat } from "../../../internal/serving/running_work.ts";
import { fakeDelivery } from "../../helpers/fake_delivery.ts";
import { fakeWork } from "../../helpers/fake_work.ts";
import { FakeTime } from "../../helpers/fake_time.ts";

/** So many cancellations are remembered at least, and twice as many at most. */
const REMEMBERED = 4_096;

function request(correlationId: string, replyTo = "replies") {
  return fakeDelivery({ properties: { correlationId, replyTo } });
}

Deno.test("ActiveRequests.cancel() drops the request of that id alone", () => {
  const requests = new ActiveRequests();
  const [first, second] = [requests.add(request("a")), requests.add(request("b"))];
  const reasons: string[] = [];
  const work = fakeWork({ leave: (_: Seat, { code }: RpcError) => void reasons.push(code) });
  first.run(work, Promise.withResolvers());
  requests.cancel("a");
  requests.cancel("a");
  assertEquals([reasons, first.dropReason?.code], [["cancelled"], "cancelled"]);
  assertEquals(second.dropReason, undefined);
  requests.close(new RpcError("closed", "Cannot go on as the test is over"));
});

Deno.test("ActiveRequests remembers a cancellation before its request", () => {
  const requests = new ActiveRequests();
  requests.cancel("a");
  assertEquals(requests.add(request("a")).dropReason?.code, "cancelled");
  assertEquals(requests.add(request("b")).dropReason?.code, undefined);
});

Deno.test("ActiveRequests forgets the oldest cancellations", () => {
  const requests = new ActiveRequests();
  for (let id = 0; id <= 2 * REMEMBERED; id++) requests.cancel(`${id}`);
  assertEquals(requests.add(request("0")).dropReason?.code, undefined);
  assertEquals(requests.add(request(`${REMEMBERED + 1}`)).dropReason?.code, "cancelled");
});

Deno.test("ActiveRequests.markOrphaned() drops all of that reply queue", () => {
  const requests = new ActiveRequests();
  const [mine, other] = [requests.add(request("a", "amq.gen-1")), requests.add(request("b", "q"))];
  requests.markOrphaned("amq.gen-1");
  assertEquals([mine.dropReason?.code, other.dropReason?.code], ["orphaned", undefined]);
  assertEquals(requests.add(request("c", "amq.gen-1")).dropReason?.code, "orphaned");
});

Deno.test("ActiveRequests.markOrphaned() trusts that a named queue comes back", () => {
  const requests = new ActiveRequests();
  requests.markOrphaned("durable");
  assertEquals(requests.add(request("a", "durable")).dropReason?.code, undefined);
});

Deno.test("ActiveRequests.drain() waits until none is left", async () => {
  const requests = new ActiveRequests();
  await requests.drain(60_000);
  const active = requests.add(request("a"));
  const drained = requests.drain(60_000);
  requests.delete(active);
  await drained;
  assertEquals(requests.size, 0);
});

Deno.test("ActiveRequests.drain() waits no longer than its grace", async () => {
  const requests = new ActiveRequests();
  const active = requests.add(request("a"));
  await requests.drain(5);
  assertEquals([requests.size, active.dropReason], [1, undefined]);
});

/** Has something run for a request, as long as nobody drops it. */
function start(active: ActiveRequest): ActiveRequest {
  active.run(fakeWork(), Promise.withResolvers());
  return active;
}

Deno.test("ActiveRequests looks for callers ever more rarely, each queue once", async () => {
  using time = new FakeTime();
  const requests = new ActiveRequests();
  for (const [id, queue] of [["a", "q1"], ["b", "q1"], ["c", "q2"]]) {
    start(requests.add(request(id ?? "", queue)));
  }
  start(requests.add(fakeDelivery()));
  const looks: [number, string[]][] = [];
  for (let seconds = 1; seconds <= 80; seconds++) {
    await time.advance(1_000);
    const queues = [...requests.takeDueReplyQueues()];
    if (queues.length > 0) looks.push([seconds, queues]);
  }
  assertEquals(looks, [2, 4, 8, 16, 32, 62].map((seconds) => [seconds, ["q1", "q2"]]));
});

Deno.test("ActiveRequests looks for no caller where a look may do harm or is of no use", async () => {
  using time = new FakeTime();
  const requests = new ActiveRequests();
  start(requests.add(request("a", "amq.rabbitmq.reply-to.g1h2.k")));
  start(requests.add(request("b", "amq.rabbitmq.reply-to-x")));
  // One that is refused does not run, however long it takes to park it.
  requests.add(request("c", "q1"));
  start(requests.add(request("d", "q2"))).drop(new RpcError("cancelled", "Enough"));
  await time.advance(60_000);
  assertEquals([...requests.takeDueReplyQueues()], []);
});

Deno.test("ActiveRequests.close() drops all, and what still comes", () => {
  const requests = new ActiveRequests();
  const active = requests.add(request("a"));
  requests.close(new RpcError("closed", "Enough"));
  const late = requests.add(request("b"));
  assertEquals([active, late].map(({ dropReason }) => dropReason?.code), ["closed", "closed"]);
});

Deno.test("ActiveRequests.dropStreams() drops what needs credits", () => {
  const requests = new ActiveRequests();
  const call = requests.add(request("a"));
  const stream = requests.add(fakeDelivery({ properties: { headers: { "rpc-credits": 1 } } }));
  requests.dropStreams(new RpcError("disconnected", "Lost"));
  assertEquals([call, stream].map(({ dropReason }) => dropReason?.code), [
    undefined,
    "disconnected",
  ]);
});
