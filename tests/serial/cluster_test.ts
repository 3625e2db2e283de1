import { RpcClient, RpcServer } from "../../mod.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import type { PrivateNode } from "../../tools/brokers/private_node.ts";
import { randomQueue } from "../helpers/broker.ts";
import { gatedWork } from "../helpers/gated_work.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

const PREFETCH = 4;
const nodeOrder = "given";
const INPUTS = Array.from({ length: 20 }, (_, n) => n);

/** The URLs of a cluster with one node's first. */
function itFirst({ urls }: PrivateCluster, { url }: PrivateNode): string[] {
  return [url, ...urls.filter((other) => other !== url)];
}

/** The URLs of a cluster with one node's last. */
function itLast({ urls }: PrivateCluster, { url }: PrivateNode): string[] {
  return [...urls.filter((other) => other !== url), url];
}

/** Declares a request queue; any node may become its leader. */
async function declareRequestQueue({ urls }: PrivateCluster): Promise<string> {
  const queue = randomQueue();
  await using _server = await RpcServer.listen(urls, {
    log: false,
    queue,
    handlers: { wait: () => {} },
  });
  return queue;
}

/** Takes the leader of a queue away while calls wait: none may be lost, few may run twice. */
async function assertSurvives(
  cluster: PrivateCluster,
  urlsOf: typeof itFirst,
  fault: (leader: PrivateNode) => Promise<void>,
): Promise<void> {
  const queue = await declareRequestQueue(cluster);
  const leader = await cluster.leaderOf(queue);
  const urls = urlsOf(cluster, leader);
  const work = gatedWork();
  const { handlers } = work;
  await using server = await RpcServer.listen(urls, {
    log: false,
    queue,
    handlers,
    prefetch: PREFETCH,
    nodeOrder,
  });
  await using client = await RpcClient.connect(urls, { queue, nodeOrder });
  const calls = Promise.allSettled(INPUTS.map((n) => client.call("wait", n)));
  await eventually(() => assertEquals(work.runs, PREFETCH));
  await fault(leader);
  work.open();
  const outcomes = await within(30_000, "the calls", calls);
  assertEquals(outcomes, INPUTS.map((value) => ({ status: "fulfilled", value })));
  assertEquals(await client.call("wait", 99), 99);
  assert(work.runs <= INPUTS.length + 1 + PREFETCH, `${work.runs} runs`);
  assertEquals(client.pending, 0);
  await eventually(() => assertEquals(server.stats().active, 0));
  await leader.restart();
  await cluster.allOnline();
}

Deno.test(rabbitmqTest("A cluster", async (t) => {
  await using cluster = await PrivateCluster.start();
  for (const [place, urlsOf] of [["at it", itFirst], ["elsewhere", itLast]] as const) {
    for (const end of ["kill", "stop"] as const) {
      await t.step(`loses no call at the ${end} of a leader, with both sides ${place}`, () => {
        return assertSurvives(cluster, urlsOf, (leader) => leader[end]());
      });
    }
  }
  await t.step("serves those who connect while a node is down", async () => {
    const [node] = cluster.nodes;
    assert(node);
    await node.kill();
    const urls = itFirst(cluster, node);
    const queue = randomQueue();
    const handlers = { echo: (value: unknown) => value };
    await using _server = await RpcServer.listen(urls, { log: false, queue, handlers, nodeOrder });
    await using client = await RpcClient.connect(urls, { queue, nodeOrder });
    assertEquals(await client.call("echo", 1), 1);
  });
}));
