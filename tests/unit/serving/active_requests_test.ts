import { assertEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { ActiveRequests } from "../../../internal/serving/active_requests.ts";
import { readRequest } from "../../../internal/protocol/envelope.ts";

/** So many cancellations are remembered at least, and twice as many at most. */
const REMEMBERED = 4_096;

function request(correlationId: string, replyTo = "replies") {
  return readRequest({ correlationId, replyTo });
}

Deno.test("ActiveRequests.cancel() drops the request of that id alone", () => {
  const requests = new ActiveRequests();
  const [first, second] = [requests.add(request("a")), requests.add(request("b"))];
  const reasons: string[] = [];
  first.onUnwanted = ({ code }) => reasons.push(code);
  requests.cancel("a");
  requests.cancel("a");
  assertEquals([reasons, first.unwantedAs], [["cancelled"], "cancelled"]);
  assertEquals(second.unwantedAs, undefined);
});

Deno.test("ActiveRequests remembers a cancellation before its request", () => {
  const requests = new ActiveRequests();
  requests.cancel("a");
  assertEquals(requests.add(request("a")).unwantedAs, "cancelled");
  assertEquals(requests.add(request("b")).unwantedAs, undefined);
});

Deno.test("ActiveRequests forgets the oldest cancellations", () => {
  const requests = new ActiveRequests();
  for (let id = 0; id <= 2 * REMEMBERED; id++) requests.cancel(`${id}`);
  assertEquals(requests.add(request("0")).unwantedAs, undefined);
  assertEquals(requests.add(request(`${REMEMBERED + 1}`)).unwantedAs, "cancelled");
});

Deno.test("ActiveRequests.markGone() drops all of that reply queue", () => {
  const requests = new ActiveRequests();
  const [mine, other] = [requests.add(request("a", "amq.gen-1")), requests.add(request("b", "q"))];
  requests.markGone("amq.gen-1");
  assertEquals([mine.unwantedAs, other.unwantedAs], ["orphaned", undefined]);
  assertEquals(requests.add(request("c", "amq.gen-1")).unwantedAs, "orphaned");
});

Deno.test("ActiveRequests.markGone() trusts that a named queue comes back", () => {
  const requests = new ActiveRequests();
  requests.markGone("durable");
  assertEquals(requests.add(request("a", "durable")).unwantedAs, undefined);
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
  requests.dropAll(new RpcError("closed", "Enough"));
  assertEquals([requests.size, active.unwantedAs], [1, "cancelled"]);
});

Deno.test("ActiveRequests.replyQueuesSince() names each queue once", () => {
  const requests = new ActiveRequests();
  for (const [id, queue] of [["a", "q1"], ["b", "q1"], ["c", "q2"]]) {
    requests.add(request(id ?? "", queue));
  }
  requests.add(readRequest({}));
  assertEquals([...requests.replyQueuesSince(0)], ["q1", "q2"]);
  assertEquals([...requests.replyQueuesSince(60_000)], []);
});
