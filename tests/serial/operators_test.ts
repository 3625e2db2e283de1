import { assert, assertEquals } from "../../deps/std_assert.ts";
import { brokerDefinitions } from "../../extras/definitions.ts";
import { sealHandler } from "../../internal/running/encoded_handler.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { declareQueue } from "../helpers/broker.ts";
import { argumentsOf, docCommands } from "../helpers/doc_commands.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { importDefinitions } from "../helpers/import_definitions.ts";
import {
  ALL_WORKS,
  codeOf,
  OPERATED_USERS,
  operatedDefinitions,
  type OperatedUser,
  refusalOf,
  useAll,
} from "../helpers/operators.ts";

/** A node with the users of the definitions, who may not do anything yet. */
async function startNode(): Promise<PrivateNode> {
  const node = await PrivateNode.start();
  for (const user of OPERATED_USERS) await node.ctl("add_user", user, "secret");
  return node;
}

function urlOf(node: PrivateNode, user: OperatedUser): string {
  return node.url.replace("guest:guest", `${user}:secret`);
}

Deno.test(rabbitmqTest("Imported definitions are all that servers and clients need", async () => {
  await using node = await startNode();
  const definitions = operatedDefinitions({ maxWaiting: 1_000 });
  for (const { user, configure } of definitions.permissions) {
    assertEquals(configure, user === "math-admin" ? "^math\\.parked\\.lock$" : "^$", user);
  }
  await importDefinitions(node, definitions);
  const before = await node.ctl("list_queues", "name", "arguments", "policy");
  assertEquals(await useAll((user) => urlOf(node, user)), ALL_WORKS);
  assertEquals(await node.ctl("list_queues", "name", "arguments", "policy"), before);
}));

/** Servers of other libraries can declare a queue whose dropped requests come back by policy. */
async function comeBackByPolicy(node: PrivateNode): Promise<void> {
  const queue = "math.policy";
  await importDefinitions(node, brokerDefinitions({ services: [{ queue, returns: "policy" }] }));
  const quorum = { durable: true, arguments: { "x-queue-type": "quorum" } };
  await declareQueue(queue, quorum, node.url);
  const gate = Promise.withResolvers<void>();
  await using server = await RpcServer.listen(node.url, {
    queue,
    handlers: { wait: () => gate.promise, echo: (value: unknown) => value },
    prefetch: 1,
    returns: false,
    log: false,
  });
  await using client = await RpcClient.connect(node.url, { queue, log: false });
  const waiting = Promise.allSettled([client.call("wait")]);
  await eventually(() => assertEquals(server.stats().active, 1));
  // Sooner than the client gives it up.
  const refused = client.call("echo", 1, { immediate: true, timeoutMs: 400 });
  assertEquals(await codeOf(refused), "no-capacity");
  gate.resolve();
  await waiting;
}

Deno.test(rabbitmqTest("Imported definitions are what a server declares itself", async (t) => {
  await using node = await startNode();
  for (const durability of ["replicated", "durable"] as const) {
    const queue = `math.${durability}`;
    await importDefinitions(node, brokerDefinitions({ services: [{ queue, durability }] }));
    // Whatever differs is misconfigured.
    const handlers = { echo: (value: unknown) => value };
    await using _server = await RpcServer.listen(node.url, {
      log: false,
      queue,
      durability,
      handlers,
    });
    await using client = await RpcClient.connect(node.url, { queue });
    assertEquals(await client.call("echo", 1), 1);
  }
  const service = { queue: "math" };
  const users = [{ name: "math-client", calls: true, replyQueues: ["billing"] }];
  await importDefinitions(node, brokerDefinitions({ services: [service], users }));
  await using _client = await RpcClient.connect(node.url, {
    queue: "math",
    replyQueue: { name: "billing" },
  });
  await t.step("What a queue drops comes back by policy", () => comeBackByPolicy(node));
}));

Deno.test(rabbitmqTest("A queue that operators have not declared is misconfigured", async () => {
  await using node = await startNode();
  const handlers = { echo: (value: unknown) => value };
  const options = { queue: "math", declare: false } as const;
  const listen = () => RpcServer.listen(urlOf(node, "math-server"), { ...options, handlers });
  const complete = operatedDefinitions();
  const [queue, parked, ...others] = complete.queues;
  assert(queue !== undefined && parked !== undefined && others.length === 2);
  await importDefinitions(node, { ...complete, queues: [], bindings: [] });
  const missing = await refusalOf(listen());
  assertEquals([missing.code, missing.retryable], ["misconfigured", true]);
  assert(missing.message.includes('queue "math" does not exist'), missing.message);
  await importDefinitions(node, { ...complete, queues: [queue], bindings: [] });
  const unparked = await refusalOf(listen());
  assertEquals(unparked.code, "misconfigured");
  assert(unparked.message.includes('queue "math.parked" does not exist'), unparked.message);
  const replyQueue = { name: "billing" };
  const connect = () => RpcClient.connect(urlOf(node, "math-client"), { ...options, replyQueue });
  assertEquals(await codeOf(connect()), "misconfigured");
}));

/** How a request is tried again whose worker dies of it: the pauses between its deliveries. */
async function pausesOf(node: PrivateNode, tries: number): Promise<number[]> {
  const runs: number[] = [];
  const deadly = sealHandler({
    handle() {
      runs.push(performance.now());
      return Promise.reject(new RpcError("worker-crashed", "Cannot go on as the worker died"));
    },
  });
  const events: string[] = [];
  await using _server = await RpcServer.listen(node.url, {
    queue: "math",
    handlers: { deadly, echo: (value: unknown) => value },
    maxDeliveries: tries,
    onEvent: ({ type }) => events.push(type),
  });
  await using client = await RpcClient.connect(node.url, { queue: "math" });
  const call = codeOf(client.call("deadly", 1));
  assertEquals(await client.call("echo", 1), 1);
  assertEquals(await call, "worker-crashed");
  // Nor does the server take a request that rests for one that the broker does not deliver.
  assertEquals(events.filter((type) => type === "disconnected"), []);
  return runs.slice(1).map((at, index) => at - (runs[index] ?? 0));
}

Deno.test(rabbitmqTest("A request rests by policy before it is tried again", async () => {
  await using node = await startNode();
  const delayedRetry = { minMs: 2_000, maxMs: 4_000 };
  await importDefinitions(node, operatedDefinitions({ delayedRetry }));
  const [first = 0, second = 0, ...others] = await pausesOf(node, 3);
  assertEquals(others, []);
  assert(first >= 2_000 && second >= 4_000, `It rested for ${first} and ${second} ms`);
}, { needs: "delayed retry" }));

/** What a command of docs has in place of names and secrets. */
const FILLED: Readonly<Record<string, string>> = { "$MATH_PASSWORD": "secret" };

Deno.test(rabbitmqTest("rabbitmqctl takes the commands of docs", async () => {
  await using node = await PrivateNode.start();
  const folder = await Deno.makeTempDir({ prefix: "warren-docs-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const definitions = brokerDefinitions({ services: [{ queue: "math" }] });
  await Deno.writeTextFile(`${folder}/definitions.json`, JSON.stringify(definitions));
  const said: string[] = [];
  for (const { command } of await docCommands()) {
    // Permissions are tried one by one, in permissions_test.ts.
    if (!command.startsWith("rabbitmqctl ") || command.includes("set_permissions")) continue;
    const words = (await argumentsOf(command.replaceAll(/"(\$\w+)"/g, (_, name) => {
      return FILLED[name] ?? name;
    }))).map((word) => word.replace(/^definitions\.json$/, `${folder}/$&`));
    await node.ctl(...words);
    said.push(words[0] ?? "");
  }
  assertEquals(said.toSorted(), [
    "add_user",
    "add_vhost",
    "import_definitions",
    "set_policy",
    "set_policy",
    "set_vhost_limits",
  ]);
  assert((await node.ctl("list_policies", "-p", "tenant-a")).includes("reject-publish"));
  assert((await node.ctl("list_policies")).includes("dead-letter-exchange"));
}));
