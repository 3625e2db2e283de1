/**
 * What RabbitMQ 3.10 does not outlive: a message that expires and has an `x-death` of its own making
 * ends the process of its queue. It starts again, and forgets what it was just delivering. From 4.0
 * on the broker dead-letters such a message like any other.
 *
 * @module
 */

import { assert, assertEquals } from "../../deps/std_assert.ts";
import { RpcClient, RpcServer, type RpcServerEvent } from "../../mod.ts";
import { encodeText } from "../../testing/wire/byte_writer.ts";
import { encodeArray, encodeTable } from "../../testing/wire/field_table.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { encodeProperties, RawPublisher } from "../../tools/raw/raw_publisher.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

const LIMIT_MS = 60_000;
const QUEUE = "calls";
const CALLS = 4;

/** A death is a table; this one is a number. */
const ODD_DEATHS = encodeTable(
  new Map([[
    "x-death",
    { type: "array", value: encodeArray([{ type: "signedint", value: 1n }]) },
  ]]),
);

const EXPIRING = {
  properties: encodeProperties({ headers: ODD_DEATHS, expiration: "1", type: "nobody" }),
  body: encodeText("1"),
};

/** Makes calls around a poisonous request that expires while the server is busy; tells what ran. */
async function callAround(options: { readonly returns: boolean }) {
  await using node = await PrivateNode.start();
  const { promise: free, resolve: setFree } = Promise.withResolvers<void>();
  const runs: number[] = [];
  const events: RpcServerEvent[] = [];
  await using _server = await RpcServer.listen(node.url, {
    ...options,
    queue: QUEUE,
    prefetch: 1,
    onEvent: (event) => events.push(event),
    handlers: {
      async work(input: number) {
        runs.push(input);
        if (input === 0) await free;
        return input;
      },
    },
  });
  await using client = await RpcClient.connect(node.url, { queue: QUEUE, timeoutMs: LIMIT_MS });
  const first = client.call("work", 0);
  await eventually(() => assertEquals(runs, [0]));
  // It is dropped when its turn comes, just as the next request is delivered.
  const before = Array.from({ length: CALLS }, (_, index) => client.call("work", 1 + index));
  await client.notify("work", 1 + 2 * CALLS);
  using stranger = await RawPublisher.open(node.url);
  assertEquals(await stranger.publish(QUEUE, EXPIRING), "confirmed");
  const after = Array.from({ length: CALLS }, (_, index) => client.call("work", 1 + CALLS + index));
  await client.notify("work", 2 + 2 * CALLS);
  setFree();
  const outputs = await within(LIMIT_MS, "the calls", Promise.all([first, ...before, ...after]));
  const all = Array.from({ length: 1 + 2 * CALLS }, (_, index) => index);
  assertEquals<unknown[]>(outputs, all);
  const notified = [all.length, all.length + 1];
  await eventually(() => assertEquals(runs.toSorted((a, b) => a - b), [...all, ...notified]));
  return events.filter(({ type }) => type !== "served");
}

Deno.test(rabbitmqTest("RpcServer goes on when its queue forgets what it delivers", async () => {
  const events = await callAround({ returns: true });
  const reasons = events.flatMap((event) => event.type === "disconnected" ? [event.error] : []);
  assert(reasons.some(({ message }) => message.includes("delivers none")), `${reasons}`);
}, { needs: "a queue that odd deaths end" }));

Deno.test(rabbitmqTest("RpcServer has a queue that outlives odd deaths", async () => {
  const events = await callAround({ returns: true });
  assertEquals(events.map(({ type }) => type), ["connected", "connected"]);
}, { needs: "a queue that outlives odd deaths" }));

Deno.test(
  rabbitmqTest("RpcServer without returns has a queue that outlives odd deaths", async () => {
    const events = await callAround({ returns: false });
    assertEquals(events.map(({ type }) => type), ["connected", "connected"]);
  }),
);
