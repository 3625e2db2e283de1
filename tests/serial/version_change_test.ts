/** The broker becomes another release under clients and servers that live on. @module */

import { type ReplyQueue, RpcClient, RpcError, type RpcErrorCode, RpcServer } from "../../mod.ts";
import { assert, assertEquals, assertGreater } from "../../deps/std_assert.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import type { RabbitmqInstall } from "../../tools/brokers/rabbitmq_install.ts";
import {
  knownRabbitmq,
  RABBITMQ_VERSIONS,
  type RabbitmqVersion,
} from "../../tools/brokers/rabbitmq_versions.ts";
import { randomQueue } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

/** An upgrade, step by step, and the way back. */
const ORDER: readonly RabbitmqVersion[] = ["3.10", "4.0", "4.3", "4.0", "3.10"];
const LANES = 4;
const TIMEOUT_MS = 60_000;
const CALLS_BETWEEN = 50;

/** What a call may reject with while a new broker has no queue yet, or one without a leader. */
const PASSING: readonly RpcErrorCode[] = ["unroutable", "disconnected", "queue-full"];

/** A client of each kind. */
const CALLERS: readonly Caller[] = [
  { replyQueue: "exclusive", timeoutMs: TIMEOUT_MS, mayReject: PASSING },
  { replyQueue: "direct", timeoutMs: TIMEOUT_MS, mayReject: PASSING },
  // Its requests are safe with a broker that keeps its data. A fresh one has none.
  { replyQueue: { name: "billing" }, timeoutMs: 5_000, mayReject: [...PASSING, "timeout"] },
];

interface Caller {
  readonly replyQueue: ReplyQueue;
  readonly timeoutMs: number;
  readonly mayReject: readonly RpcErrorCode[];
}

const installs = RABBITMQ_VERSIONS.map((version) => [version, knownRabbitmq(version)] as const);
const missing = installs.map(([, install]) => install).find((found) => typeof found === "string");

function installOf(version: RabbitmqVersion): RabbitmqInstall {
  const install = knownRabbitmq(version);
  if (typeof install === "string") throw new Error(`Cannot change releases as ${install}`);
  return install;
}

/** Makes one call after the other until it is told to stop; counts what became of them. */
async function callUntil(
  stop: AbortSignal,
  client: RpcClient,
  { timeoutMs, mayReject, tally }: Caller & { readonly tally: Tally },
): Promise<void> {
  while (!stop.aborted) {
    const input = tally.made++;
    try {
      const output = await client.call("double", input, { timeoutMs });
      assertEquals(output, 2 * input);
      tally.answered++;
    } catch (error) {
      assert(error instanceof RpcError && mayReject.includes(error.code), `${error}`);
      tally.rejected++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

interface Tally {
  made: number;
  answered: number;
  rejected: number;
}

Deno.test(rabbitmqTest("Client and server live on while the broker changes releases", async () => {
  await using nodes = new AsyncDisposableStack();
  let node = nodes.use(await PrivateNode.start({ install: installOf("3.10") }));
  const amqpPort = Number(new URL(node.url).port);
  const { url } = node;
  const queue = randomQueue();
  const handlers = { double: (n: number) => 2 * n };
  await using _server = await RpcServer.listen(url, { log: false, queue, handlers });
  await using clients = new AsyncDisposableStack();
  const tallies: Tally[] = [];
  const stop = new AbortController();
  const calling: Promise<void>[] = [];
  for (const caller of CALLERS) {
    const { replyQueue } = caller;
    const client = clients.use(await RpcClient.connect(url, { queue, replyQueue }));
    const tally: Tally = { made: 0, answered: 0, rejected: 0 };
    tallies.push(tally);
    for (let lane = 0; lane < LANES; lane++) {
      calling.push(callUntil(stop.signal, client, { ...caller, tally }));
    }
  }
  const settled = Promise.all(calling);
  const answeredByAll = async () => {
    const before = tallies.map(({ answered }) => answered);
    await eventually(() => {
      for (const [index, { answered }] of tallies.entries()) {
        assertGreater(answered, (before[index] ?? 0) + CALLS_BETWEEN);
      }
    }, TIMEOUT_MS);
  };
  await Promise.race([settled, answeredByAll()]);
  for (const version of ORDER.slice(1)) {
    await node[Symbol.asyncDispose]();
    node = nodes.use(await PrivateNode.start({ install: installOf(version), amqpPort }));
    assertEquals(node.url, url);
    await Promise.race([settled, answeredByAll()]);
  }
  stop.abort();
  await within(2 * TIMEOUT_MS, "the last calls", settled);
  for (const { made, answered, rejected } of tallies) assertEquals(answered + rejected, made);
}, { missing }));
