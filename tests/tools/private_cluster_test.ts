import { rabbitmqTest } from "../helpers/features.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertFalse,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { answersAmqp } from "../../tools/brokers/amqp_probe.ts";
import { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import { declareQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { exists, firstLine, gone, isAlive, removed } from "./processes.ts";

const QUORUM = {
  durable: true,
  arguments: { "x-queue-type": "quorum", "x-quorum-initial-group-size": 3 },
};

Deno.test(rabbitmqTest("PrivateCluster replicates queues until it is disposed of", async () => {
  await using cluster = await PrivateCluster.start({
    config: "cluster_partition_handling = autoheal",
    erlangArgs: "-kernel net_ticktime 10",
  });
  assertEquals(new Set(cluster.urls).size, 3);
  const [first] = cluster.nodes;
  assertExists(first);
  const settings =
    "{application:get_env(rabbit, cluster_partition_handling), net_kernel:get_net_ticktime()}.";
  assertEquals((await first.ctl("eval", settings)).trim(), "{{ok,autoheal},10}");
  const queue = randomQueue();
  await assertRejects(() => cluster.leaderOf(queue), Error, queue);
  await declareQueue(queue, QUORUM, cluster.urls[1]);
  const leader = await cluster.leaderOf(queue);
  await leader.kill();
  const next = await eventually(() => cluster.leaderOf(queue));
  assertNotEquals(next.name, leader.name);
  await leader.restart();
  await cluster.allOnline();
  assertStringIncludes(await leader.ctl("list_queues", "name", "online"), queue);
  const { network, pid } = first;
  assertExists(pid);
  await cluster[Symbol.asyncDispose]();
  for (const node of cluster.nodes) {
    assertEquals(node.pid, undefined);
    const { hostname, port } = new URL(node.url);
    assertFalse(await answersAmqp({ hostname, port: Number(port) }));
  }
  await gone(pid);
  await gone(network.epmdPid);
  assertFalse(await exists(network.folder));
}));

Deno.test(rabbitmqTest("PrivateCluster and its folders go when their owner is killed", async () => {
  const module = new URL("../../tools/brokers/private_cluster.ts", import.meta.url);
  const owner = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { PrivateCluster } from "${module}";
       const { nodes } = await PrivateCluster.start({ nodes: 2 });
       const [{ network }] = nodes;
       console.log(network.folder, network.epmdPid, ...nodes.map(({ pid }) => pid));
       await new Promise(() => setInterval(() => {}, 1_000));`,
    ],
    stdout: "piped",
  }).spawn();
  const [folder = "", ...pids] = (await firstLine(owner.stdout)).split(" ");
  assertEquals(pids.length, 3);
  for (const pid of pids) assert(isAlive(Number(pid)));
  owner.kill("SIGKILL");
  await owner.status;
  for (const pid of pids) await gone(Number(pid));
  await removed(folder);
}));

Deno.test(
  rabbitmqTest(
    "PrivateCluster.start() says which node does not start and leaves nothing",
    async () => {
      const starting = PrivateCluster.start({ nodes: 2, config: "no_such_setting = 1" });
      const { message } = await assertRejects(() => starting, Error);
      assertStringIncludes(message, "Cannot start the private node");
      assertStringIncludes(message, "no_such_setting");
    },
  ),
);
