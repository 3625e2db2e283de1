import { type CallContext, RpcClient, RpcServer, RpcTimeoutError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { resolveConnectOptions } from "../../internal/broker/connect_settings.ts";
import { Connection } from "../../internal/broker/connection.ts";
import { SharedNode } from "../../chaos/processes/shared_node.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { findRabbitmq } from "../../tools/brokers/rabbitmq_install.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { randomQueue } from "../helpers/broker.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { rabbitmqTest, type RabbitmqTestOptions } from "../helpers/features.ts";
import { startPair } from "../helpers/pair.ts";

/** What is done to a node while a client and a server use a queue of it. */
type Fault = (node: PrivateNode, queue: string) => Promise<unknown>;

function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason));
  return promise;
}

/** Tests on a node that all of them leave as it was. */
function nodeTest(name: string, fn: (node: PrivateNode) => Promise<void>): void {
  Deno.test(rabbitmqTest(name, async () => await fn(await shared.get())));
}

/** Tests on a node that is killed or restarted. */
function mortalNodeTest(
  name: string,
  fn: (node: PrivateNode) => Promise<void>,
  options?: RabbitmqTestOptions,
): void {
  Deno.test(rabbitmqTest(name, async () => {
    await using node = await PrivateNode.start();
    await fn(node);
  }, options));
}

const shared = new SharedNode();

Deno.test.beforeAll(async () => {
  if (typeof findRabbitmq() !== "string") await shared.get();
});
Deno.test.afterAll(() => shared[Symbol.asyncDispose]());

const FAULTS: readonly [name: string, test: typeof nodeTest, fault: Fault][] = [
  ["a restart", mortalNodeTest, (node) => node.restart()],
  ["a crash", mortalNodeTest, crash],
  ["close_all_connections", nodeTest, (node) => node.ctl("close_all_connections", "a test")],
];

async function crash(node: PrivateNode, queue: string): Promise<void> {
  const folder = `${node.network.folder}/warren/data/${node.name}/quorum/${node.name}`;
  // RabbitMQ writes the name of a new quorum queue down half a second late; a crash before that
  // leaves a queue that answers to nobody.
  await eventually(async () => {
    assertStringIncludes(await Deno.readTextFile(`${folder}/names.dets`), queue);
  });
  await node.kill();
  await node.restart();
}

for (const [name, test, fault] of FAULTS) {
  test(`Client and server survive ${name} with calls pending`, async (node) => {
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    await using pair = await startPair({
      async wait(n: number) {
        runs++;
        await gate.promise;
        return n;
      },
    }, { url: node.url, server: { prefetch: 4 } });
    const inputs = Array.from({ length: 20 }, (_, n) => n);
    const calls = Promise.all(inputs.map((n) => pair.client.call("wait", n)));
    await eventually(() => assertEquals(runs, 4));
    await fault(node, pair.queue);
    for (const events of [pair.clientEvents, pair.serverEvents]) {
      await eventually(() => assert(events.some(({ type }) => type === "disconnected")));
    }
    gate.resolve();
    assertEquals(await within(30_000, "the calls", calls), inputs);
    assertEquals(await pair.client.call("wait", 99), 99);
    assertEquals(pair.client.pending, 0);
  });
}

nodeTest("A session is set up anew when the broker fails at it", async (node) => {
  await using peer = await AmqpPeer.open(node.url);
  const queue = randomQueue();
  await peer.declareQueue(queue, {
    durable: true,
    arguments: { "x-queue-type": "quorum" },
  });
  // A queue without a process is what a server finds while another one is just declaring it.
  const ra = (action: string) =>
    node.ctl(
      "eval",
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)),
        ra:${action}_server(quorum_queues, amqqueue:get_pid(Q)).`,
    );
  await ra("stop");
  let attempts = 0;
  const connection = await Connection.open({
    ...resolveConnectOptions(node.url, {}, "test"),
    async setUp(amqp) {
      if (++attempts === 2) await ra("restart");
      const channel = await amqp.openChannel();
      await channel.consume(queue, { noAck: false }, () => {});
      return { channels: [channel] };
    },
    onSession() {},
    onEvent() {},
  });
  await connection.close();
  assertEquals(attempts, 2);
});

mortalNodeTest("A server declares a transient queue anew after a restart", async (node) => {
  const handlers = { echo: (value: unknown) => value };
  await using pair = await startPair(handlers, {
    url: node.url,
    server: { durability: "transient" },
  });
  await node.restart();
  await eventually(async () => {
    assertEquals(await pair.client.call("echo", 1).catch((error) => error.code), 1);
  }, 30_000);
}, { needs: "transient shared queues" });

nodeTest("A client gets a new reply queue when its own is deleted", async (node) => {
  const exclusiveQueues = async () => {
    const queues = await node.ctl("list_queues", "name", "exclusive", "--no-table-headers");
    return Array.from(queues.matchAll(/^(\S+)\ttrue$/gm), ([, name = ""]) => name);
  };
  const queue = randomQueue();
  const events: string[] = [];
  const onEvent = ({ type }: { type: string }) => events.push(type);
  await using client = await RpcClient.connect(node.url, { queue, onEvent });
  const [replyQueue = ""] = await exclusiveQueues();
  const handlers = { echo: (value: unknown) => value };
  await using _server = await RpcServer.listen(node.url, { queue, handlers });
  await node.ctl("delete_queue", replyQueue);
  await eventually(() => assertEquals(events.filter((type) => type === "connected").length, 2));
  assertEquals(await client.call("echo", 1), 1);
  assert(!(await exclusiveQueues()).includes(replyQueue));
});

nodeTest("A server gets a new control queue when its own is deleted", async (node) => {
  const handlers = { hang: (_: unknown, { signal }: CallContext) => untilAborted(signal) };
  const queue = randomQueue();
  const events: string[] = [];
  const onEvent = ({ type }: { type: string }) => events.push(type);
  await using server = await RpcServer.listen(node.url, { queue, handlers, onEvent });
  const bindings = await node.ctl("list_bindings", "source_name", "destination_name");
  await node.ctl("delete_queue", /^rpc\.control\t(\S+)/m.exec(bindings)?.[1] ?? "");
  await eventually(() => assertEquals(events.filter((type) => type === "connected").length, 3));
  await using client = await RpcClient.connect(node.url, { queue });
  const controller = new AbortController();
  const call = assertRejects(() => client.call("hang", 1, { signal: controller.signal }));
  await eventually(() => assertEquals(server.stats().active, 1));
  controller.abort();
  await call;
  await eventually(() => assertEquals(server.stats().cancelled, 1));
});

nodeTest("Calls keep their deadline while the broker blocks publishers", async (node) => {
  await using pair = await startPair({ echo: (value: unknown) => value }, { url: node.url });
  await node.ctl("set_vm_memory_high_watermark", "0.000001");
  const call = () => pair.client.call("echo", 1, { timeoutMs: 100 });
  await eventually(async () => {
    await assertRejects(call, RpcTimeoutError);
    assert(pair.clientEvents.some(({ type }) => type === "blocked"));
  });
  const patient = pair.client.call("echo", 2);
  await node.ctl("set_vm_memory_high_watermark", "0.9");
  assertEquals(await patient, 2);
  assert(pair.clientEvents.some(({ type }) => type === "unblocked"));
});

nodeTest("A broker that hangs is left, and calls go on when it is back", async (node) => {
  const options = { confirmTimeoutMs: 500, connectTimeoutMs: 500, heartbeatMs: 60_000 };
  const handlers = { echo: (value: unknown) => value };
  await using pair = await startPair(handlers, { url: node.url, client: options, server: options });
  const { pid } = node;
  assert(pid !== undefined);
  Deno.kill(pid, "SIGSTOP");
  try {
    const call = pair.client.call("echo", 1);
    await eventually(() => {
      const lost = pair.clientEvents.find((event) => event.type === "disconnected");
      assertStringIncludes(String(lost?.error), "confirmed nothing for 500 ms");
    });
    Deno.kill(pid, "SIGCONT");
    assertEquals(await call, 1);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
});

nodeTest("Odd virtual hosts, users and passwords are spelled in URLs", async (node) => {
  const [vhost, user, password] = ["a/b c%żół", "us/er:@", "p@ss:w/ord%?#"];
  await node.ctl("add_vhost", vhost);
  await node.ctl("add_user", user, password);
  await node.ctl("set_permissions", "--vhost", vhost, user, ".*", ".*", ".*");
  const url = node.url.replace("guest:guest", [user, password].map(encodeURIComponent).join(":"));
  const queue = randomQueue();
  const handlers = { echo: (value: unknown) => value };
  const full = `${url}/${encodeURIComponent(vhost)}`;
  await using _server = await RpcServer.listen(full, { queue, handlers });
  await using client = await RpcClient.connect(full, { queue });
  assertEquals(await client.call("echo", 1), 1);
});
