import { assert, assertEquals } from "../../deps/std_assert.ts";
import { RpcServer } from "../../mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

/** Nobody is told of single calls. */
const PLAIN = { onEvent: undefined, log: false };
const PLAIN_BATCH = {
  contentType: "application/vnd.warren.rpc-plain-batch",
  type: "rpc.batch",
} as const;

/** Requests as lines, by hand. */
function linesOf(head: object, ...inputs: string[]): string {
  return [JSON.stringify({ deadline: Date.now() + 60_000, ...head }), ...inputs].join("\n");
}

Deno.test("A plain batch whose handlers take long lets others run in between", async () => {
  let [runs, mostRuns] = [0, 0];
  await using pair = await startPair({
    echo: (value) => value,
    compute(value) {
      mostRuns = Math.max(mostRuns, ++runs);
      for (const end = performance.now() + 5; performance.now() < end;);
      return value;
    },
  }, { server: { ...PLAIN, prefetch: 4 }, client: { ...PLAIN, batching: true } });
  const { client } = pair;
  await client.call("echo", "hello");
  const turns = setInterval(() => runs = 0);
  try {
    const inputs = Array.from({ length: 60 }, (_, number) => number);
    assertEquals(await Promise.all(inputs.map((n) => client.call("compute", n))), inputs);
  } finally {
    clearInterval(turns);
  }
  assert(mostRuns < 30, `${mostRuns} handlers ran in one turn`);
});

Deno.test("A plain batch has few outputs in memory that are not sent yet", async () => {
  let [runs, most] = [0, 0];
  await using pair = await startPair({
    echo: (value) => value,
    report() {
      most = Math.max(most, ++runs - pair.server.stats().succeeded);
      return "x".repeat(300_000);
    },
  }, { server: { ...PLAIN, prefetch: 2 }, client: { ...PLAIN, batching: true } });
  const { client } = pair;
  await client.call("echo", "hello");
  const reports = await Promise.all(Array.from({ length: 40 }, () => client.call("report")));
  assertEquals(new Set(reports.map((report) => String(report).length)), new Set([300_000]));
  assert(most < 20, `${most} outputs were in memory`);
});

Deno.test("Threat: a plain batch has its server publish nothing elsewhere", async () => {
  await using peer = await AmqpPeer.open();
  const [queue, elsewhere] = [await peer.declareQueue(), await peer.declareQueue()];
  const body = linesOf({ procedures: ["echo"] }, "1", "2", "3");
  const headers = { CC: [elsewhere] };
  const { replyQueue: replyTo } = peer;
  await peer.send(queue, body, { ...PLAIN_BATCH, correlationId: "batch", replyTo, headers });
  assertEquals(await peer.countMessages(elsewhere), 1);
  // Its requests are sent again one by one, as they may be what their server has died of.
  await peer.giveBack(queue, { requeue: true });
  await using _server = await RpcServer.listen(brokerUrl(), {
    queue,
    handlers: { echo: (value) => value },
    durability: "existing",
  });
  const replies = [await peer.nextReply(), await peer.nextReply(), await peer.nextReply()];
  assertEquals(replies.map(({ content }) => content.toString()).toSorted(), ["1", "2", "3"]);
  await eventually(async () => assertEquals(await peer.countMessages(queue), 0));
  assertEquals(await peer.countMessages(elsewhere), 1);
});
