import { assertEquals } from "../../deps/std_assert.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { type ChildResult, runChild } from "../helpers/child.ts";
import { type ExportedSpan, SpanReceiver, spansIn, treeOf } from "../helpers/exported_spans.ts";
import { languageTest, startTutorialServer } from "../helpers/tutorial.ts";

const PROGRAM = new URL("../fixtures/traced_services.ts", import.meta.url);
const LIMIT_MS = 60_000;

/** A service that cannot serve at first, whose worker process dies then, and that asks another one. */
const TREE = [
  "INTERNAL buy",
  "  CLIENT shop/order OK",
  "    SERVER shop/order #1 worker-crashed",
  "    SERVER shop/order #2 OK",
  "      INTERNAL run order",
  "        CLIENT prices/price OK",
  "          SERVER prices/price #1 OK",
  "  CLIENT shop/order unavailable",
  "    SERVER shop/order #1 unavailable",
];

/** The queues of one test, by what they are called in a tree. */
type Queues = Readonly<Record<"shop" | "prices" | "peer", string>>;

async function withQueues(test: (queues: Queues) => Promise<void>): Promise<void> {
  const queues = { shop: randomQueue(), prices: randomQueue(), peer: randomQueue() };
  try {
    await test(queues);
  } finally {
    for (const queue of Object.values(queues)) await deleteQueue(queue);
  }
}

/** Buys something, until the spans of the worker are exported. */
function buy(
  queues: Queues,
  { url, ...options }: {
    readonly url: string;
    readonly env: Readonly<Record<string, string>>;
    readonly priced?: "prices" | "peer";
    readonly onStderr?: (text: string) => void;
  },
): Promise<ChildResult> {
  const { env, priced = "prices", onStderr } = options;
  return runChild(PROGRAM, {
    args: [brokerUrl(), queues.shop, queues[priced], queues.prices, `${url}/awaited`],
    limitMs: LIMIT_MS,
    env: { OTEL_DENO: "true", OTEL_BSP_SCHEDULE_DELAY: "50", NO_COLOR: "1", ...env },
    ...(onStderr && { onStderr }),
  });
}

/** What a receiver in the test is told by OTLP. */
function otlp({ url }: SpanReceiver) {
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", OTEL_EXPORTER_OTLP_ENDPOINT: url };
  return { url, env };
}

/** The tree of a purchase, with the short names of the queues. */
function treeOfPurchase(spans: readonly ExportedSpan[], queues: Queues): string[] {
  return treeOf(spans, "buy").map((line) => {
    return Object.entries(queues).reduce((line, [name, queue]) => line.replace(queue, name), line);
  });
}

Deno.test("A call that is tried again, in a process, with a second service: printed as one tree", async () => {
  await withQueues(async (queues) => {
    await using receiver = new SpanReceiver("run order");
    const { url } = receiver;
    const env = { OTEL_EXPORTER_OTLP_PROTOCOL: "console" };
    const onStderr = (text: string) => receiver.replace(spansIn(text));
    const { code, stderr } = await buy(queues, { url, env, onStderr });
    assertEquals(code, 0, stderr);
    assertEquals(treeOfPurchase(spansIn(stderr), queues), TREE);
  });
});

Deno.test("A call that is tried again, in a process, with a second service: one tree by OTLP", async () => {
  await withQueues(async (queues) => {
    await using receiver = new SpanReceiver("run order");
    const { code, stderr } = await buy(queues, otlp(receiver));
    assertEquals(code, 0, stderr);
    assertEquals(treeOfPurchase(receiver.spans, queues), TREE);
  });
});

languageTest("python", "The tree goes on through a pika server between two services", async () => {
  await withQueues(async (queues) => {
    const { peer, prices } = queues;
    await using receiver = new SpanReceiver("run order");
    const args = [brokerUrl(), peer, prices];
    await using server = await startTutorialServer("python", args, "traced_server");
    const { code, stderr } = await buy(queues, { ...otlp(receiver), priced: "peer" });
    assertEquals(code, 0, stderr);
    const [got = "", sent = ""] = (await server.nextLine()).split(" ");
    const [, traceId = "", parentSpanId] = got.split("-");
    const [, , spanId = ""] = sent.split("-");
    // Nobody but the peer itself knows of its span.
    const own = { name: "pika", kind: "SERVER", traceId, spanId, parentSpanId, attributes: {} };
    assertEquals(treeOfPurchase([...receiver.spans, own], queues), [
      ...TREE.slice(0, 5),
      "        CLIENT peer/price OK",
      "          SERVER pika",
      "            SERVER prices/price #1 OK",
      ...TREE.slice(7),
    ]);
  });
});
