import { RpcClient, RpcServer } from "../../mod.ts";
import { assert, assertEquals, assertExists, assertLess } from "../../deps/std_assert.ts";
import { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import { randomQueue } from "../helpers/broker.ts";
import { gatedWork } from "../helpers/gated_work.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

const PREFETCH = 4;
const CLIENTS = 3;
const CALLS_EACH = 7;
/** For a reconnect and an election by nodes that share the cores of a test runner. */
const LIMIT_MS = 5_000;

/**
 * Kills the node that leads the queue and that all callers are at, while the server has requests of
 * theirs in hand. RabbitMQ 4.2 and later keep the reply queues of a dead node (Khepri): replies to
 * them are nacked each time, and a look at one is answered after a minute.
 */
async function assertGoesOn(
  cluster: PrivateCluster,
  { isServerThere = false, user }: { readonly isServerThere?: boolean; readonly user?: string },
): Promise<void> {
  const queue = randomQueue();
  const work = gatedWork();
  const { handlers } = work;
  {
    const options = { queue, handlers, returns: user === undefined };
    await using _server = await RpcServer.listen(cluster.urls, options);
  }
  const dying = await cluster.leaderOf(queue);
  const others = cluster.urls.filter((url) => url !== dying.url);
  const itFirst = [dying.url, ...others];
  const serverUrls = isServerThere ? itFirst : [...others, dying.url];
  await using server = await RpcServer.listen(serverUrls.map((url) => urlOf(url, user)), {
    log: false,
    queue,
    handlers,
    prefetch: PREFETCH,
    nodeOrder: "given",
    returns: user === undefined,
  });
  await using stack = new AsyncDisposableStack();
  const calls: Promise<unknown>[] = [];
  for (let caller = 0; caller < CLIENTS; caller++) {
    const client = stack.use(await RpcClient.connect(itFirst, { queue, nodeOrder: "given" }));
    for (let n = 0; n < CALLS_EACH; n++) calls.push(client.call("wait", calls.length));
  }
  await eventually(() => assertEquals(work.runs, PREFETCH));
  const settled = Promise.all(calls);
  await dying.kill();
  const start = performance.now();
  work.open();
  const outputs = await within(90_000, "the calls", settled);
  assertLess(performance.now() - start, LIMIT_MS);
  assertEquals(outputs, calls.map((_, n) => n));
  assert(work.runs <= calls.length + PREFETCH, `${work.runs} runs`);
  await eventually(() => assertEquals(server.stats().active, 0));
  assert(server.stats().orphaned >= PREFETCH, `${server.stats().orphaned} were orphaned`);
  await dying.restart();
  await cluster.allOnline();
}

function urlOf(url: string, user: string | undefined): string {
  if (user === undefined) return url;
  const theirs = new URL(url);
  theirs.username = user;
  theirs.password = user;
  return theirs.href;
}

/** Adds the least of users in docs/permissions.md, which on 4.3 may not look for its callers. */
async function addLeastServer([node]: PrivateCluster["nodes"]): Promise<string> {
  assertExists(node);
  const user = "least";
  await node.ctl("add_user", user, user);
  await node.ctl("set_permissions", user, "^warren-test-", "^amq\\.default$", "^warren-test-");
  return user;
}

Deno.test(rabbitmqTest("A server goes on at once", async (t) => {
  await using cluster = await PrivateCluster.start();
  await t.step("when the node of its callers dies", () => assertGoesOn(cluster, {}));
  await t.step("when the node of all dies", () => assertGoesOn(cluster, { isServerThere: true }));
  await t.step("though it may not look for its callers", async () => {
    await assertGoesOn(cluster, { user: await addLeastServer(cluster.nodes) });
  });
}));

Deno.test(
  rabbitmqTest(
    "A server on a node that lags behind answers callers it has not heard of",
    async () => {
      await using cluster = await PrivateCluster.start();
      const [theirs, , lagging] = cluster.nodes;
      assertExists(theirs);
      assertExists(lagging);
      const queue = randomQueue();
      const work = gatedWork();
      const { handlers } = work;
      await using server = await RpcServer.listen([lagging.url], { log: false, queue, handlers });
      // What the others declare from now on, the node learns when it goes on.
      await lagging.ctl("eval", "sys:suspend(rabbitmq_metadata).");
      await using client = await RpcClient.connect([theirs.url], { queue });
      const call = client.call("wait", 1);
      await eventually(() => assertEquals(work.runs, 1));
      work.open();
      // Time for a reply to be lost; there is no event of one that is not.
      await new Promise((resolve) => setTimeout(resolve, 500));
      await lagging.ctl("eval", "sys:resume(rabbitmq_metadata).");
      assertEquals(await within(15_000, "the call", call), 1);
      await eventually(() => assertEquals(server.stats().active, 0));
      const { succeeded, orphaned } = server.stats();
      assertEquals({ succeeded, orphaned }, { succeeded: 1, orphaned: 0 });
    },
    { needs: "a store that nodes learn from late" },
  ),
);
