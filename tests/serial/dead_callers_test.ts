import { RpcClient, RpcServer } from "../../mod.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import { PrivateCluster } from "../../tools/brokers/private_cluster.ts";
import { findRabbitmq } from "../../tools/brokers/rabbitmq_install.ts";
import { randomQueue } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";

const missing = findRabbitmq();
const ignore = typeof missing === "string" && Deno.env.get("WARREN_REQUIRE_RABBITMQ") !== "1";

const PREFETCH = 4;
const CLIENTS = 6;
const CALLS = 5;
/** RabbitMQ from 4.2 on takes a minute to say that the queues of a dead node are gone. */
const LIMIT_MS = 15_000;

Deno.test({
  name: ignore ? `A server (ignored: ${missing})` : "A server outlives its callers' node",
  ignore,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const cluster = stack.use(await PrivateCluster.start());
    const [dying, ...others] = cluster.urls;
    assert(dying !== undefined);
    const queue = randomQueue();
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    const handlers = {
      async wait(n: number) {
        runs++;
        await gate.promise;
        return n;
      },
    };
    const server = stack.use(
      await RpcServer.listen(others, { queue, handlers, prefetch: PREFETCH }),
    );
    const calls: Promise<unknown>[] = [];
    for (let caller = 0; caller < CLIENTS; caller++) {
      const client = stack.use(await RpcClient.connect([dying, ...others], { queue }));
      for (let n = 0; n < CALLS; n++) calls.push(client.call("wait", calls.length));
    }
    await eventually(() => assertEquals(runs, PREFETCH));
    await cluster.nodes[0]?.kill();
    gate.resolve();
    const outputs = await within(LIMIT_MS, "the calls", Promise.all(calls));
    assertEquals(outputs, calls.map((_, n) => n));
    await eventually(() => assertEquals(server.stats().active, 0));
    assert(server.stats().orphaned >= PREFETCH, `${server.stats().orphaned} were orphaned`);
  },
});
