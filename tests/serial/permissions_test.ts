import { type Channel, connect } from "../../deps/amqplib.ts";
import { assert, assertEquals, assertExists, assertNotEquals } from "../../deps/std_assert.ts";
import { type CallContext, RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { RpcControl } from "../../extras/control/rpc_control.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { findRabbitmq } from "../../tools/brokers/rabbitmq_install.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { deleteQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";
import { importDefinitions } from "../helpers/import_definitions.ts";

const QUEUE = "math";
const TIMEOUT_MS = 2_000;
const RIGHTS = ["configure", "write", "read"] as const;
const USERS = ["math-server", "math-client", "math-admin", "math-operator"] as const;
const EXCHANGES = ["math.requests", "rpc.control", "rpc.admin", "rpc.returns"];

type Right = (typeof RIGHTS)[number];
type Grants = Readonly<Record<Right, string>>;
type User = typeof USERS[number];
type Users = Readonly<Record<"math-server" | "math-client", Grants>>;

/** What there is to have a right to, as the names that are asked for. */
const RESOURCES: Readonly<Record<string, string>> = {
  math: "math",
  "math.parked": "math\\.parked",
  "amq.gen-x": "amq\\.gen",
  "amq.default": "amq\\.default",
  "math.requests": "math\\.requests",
  "rpc.control": "rpc\\.control",
};

/** The commands of docs/permissions.md, in order. */
async function documentedGrants(): Promise<[user: string, Grants][]> {
  const text = await Deno.readTextFile(new URL("../../docs/permissions.md", import.meta.url));
  const command = /set_permissions (math-\w+)((?:[\s\\]*'[^']*'){3})/g;
  return Array.from(text.matchAll(command), ([, user = "", patterns = ""]) => {
    const [configure = "", write = "", read = ""] = Array.from(
      patterns.matchAll(/'([^']*)'/g),
      ([, pattern = ""]) => pattern,
    );
    return [user, { configure, write, read }];
  });
}

/** What they grant servers and clients: with the exchanges, without them, and in version 0.1.0. */
async function documented(): Promise<Users[]> {
  const users = (await documentedGrants()).filter(([user]) =>
    user === "math-server" || user === "math-client"
  );
  assertEquals(users.map(([user]) => user), [
    "math-server",
    "math-client",
    "math-server",
    "math-client",
    "math-server",
    "math-client",
  ]);
  const toUsers = (pair: typeof users) => Object.fromEntries(pair) as Users;
  return [0, 2, 4].map((at) => toUsers(users.slice(at, at + 2)));
}

/** Grants all of it by one command, as each takes a second. */
async function grant(node: PrivateNode, users: Partial<Record<User, Grants>>): Promise<void> {
  const permissions = Object.entries(users).map(([user, grants]) => {
    return { user, vhost: "/", ...grants };
  });
  await importDefinitions(node, { permissions });
}

let shared: PrivateNode | undefined;

Deno.test.beforeAll(async () => {
  if (typeof findRabbitmq() === "string") return;
  shared = await PrivateNode.start();
  const users = USERS.map((name) => ({ name, password: "secret", tags: "" }));
  await importDefinitions(shared, { users });
});
Deno.test.afterAll(async () => await shared?.[Symbol.asyncDispose]());

/** The node of all these tests, as new: its users have no rights, and nothing is declared. */
async function newNode(): Promise<PrivateNode> {
  assertExists(shared);
  await deleteQueue(QUEUE, shared.url);
  await deleteExchanges(shared);
  const nothing = { configure: "^$", write: "^$", read: "^$" };
  await grant(shared, Object.fromEntries(USERS.map((user) => [user, nothing])));
  return shared;
}

function urlOf(node: PrivateNode, user: User): string {
  return node.url.replace("guest:guest", `${user}:secret`);
}

const handlers = {
  echo: (value: unknown) => value,
  *count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  },
  hang: (_: unknown, { signal }: CallContext) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
};

async function outcomeOf(outcome: Promise<unknown>): Promise<unknown> {
  try {
    return await outcome;
  } catch (error) {
    return error instanceof RpcError ? error.code : String(error);
  }
}

/** Does all that clients and servers do, and notes what came of it. */
async function probe(node: PrivateNode, returns = true): Promise<Record<string, unknown>> {
  await using stack = new AsyncDisposableStack();
  const events = new Set<string>();
  const onEvent = ({ type }: { type: string }) => void events.add(type);
  const opening = RpcServer.listen(urlOf(node, "math-server"), {
    queue: QUEUE,
    handlers,
    returns,
    prefetch: 1,
    onEvent,
  });
  const server = await outcomeOf(opening);
  if (!(server instanceof RpcServer)) return { listen: server };
  stack.defer(() => server.close({ graceMs: 0 }));
  const options = { queue: QUEUE, timeoutMs: TIMEOUT_MS, onEvent };
  const client = await outcomeOf(RpcClient.connect(urlOf(node, "math-client"), options));
  if (!(client instanceof RpcClient)) return { connect: client };
  stack.defer(() => client.close({ graceMs: 0 }));
  const call = await outcomeOf(client.call("echo", 1));
  // Without replies, all that follows would only take its time.
  if (call !== 1) return { call };
  const stream = await outcomeOf(Array.fromAsync(client.stream("count", 200, { credits: 4 })));
  const controller = new AbortController();
  // Longer than the call beside it takes where nothing tells it that there is no room.
  const patience = { signal: controller.signal, timeoutMs: 10 * TIMEOUT_MS };
  const hanging = outcomeOf(client.call("hang", 1, patience));
  await eventually(() => assertEquals(server.stats().active, 1));
  const immediate = await outcomeOf(client.call("echo", 1, { immediate: true }));
  controller.abort();
  await hanging;
  const isCancelled = () => eventually(() => assertEquals(server.stats().cancelled, 1), TIMEOUT_MS);
  const cancelled = await isCancelled().then(() => true, () => false);
  await using peer = await AmqpPeer.open(node.url);
  await peer.send(QUEUE, "1", { replyTo: "elsewhere", type: "echo" });
  await eventually(() => assert(events.has("parked") || events.has("not-parked") || !cancelled));
  for (const type of ["served", "call-settled"]) events.delete(type);
  return {
    stream: Array.isArray(stream) ? stream.length : stream,
    immediate,
    cancelled,
    events: [...events].toSorted(),
  };
}

const ALL_WORKS = {
  stream: 200,
  immediate: "no-capacity",
  cancelled: true,
  events: ["connected", "parked"],
};

function allows(pattern: string, resource: string): boolean {
  return new RegExp(pattern).test(resource);
}

/** The same pattern, but for one resource. */
function without(pattern: string, resource: string): string {
  return pattern.replace("^", `^(?!${RESOURCES[resource]}$|${RESOURCES[resource]}-)`);
}

async function deleteExchanges({ url }: PrivateNode): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  for (const exchange of EXCHANGES) await channel.deleteExchange(exchange);
  await connection.close();
}

Deno.test(rabbitmqTest("The documented permissions suffice, and each is needed", async () => {
  const node = await newNode();
  const [users] = await documented();
  assert(users !== undefined);
  await grant(node, users);
  assertEquals(await probe(node), ALL_WORKS);
  let dropped = 0;
  for (const user of ["math-server", "math-client"] as const) {
    for (const right of RIGHTS) {
      for (const resource of Object.keys(RESOURCES)) {
        const pattern = users[user][right];
        if (!allows(pattern, resource)) continue;
        const fewer = { ...users[user], [right]: without(pattern, resource) };
        // What is there already needs fewer rights than what is to be made.
        await deleteQueue(QUEUE, node.url);
        await deleteExchanges(node);
        await grant(node, { [user]: fewer });
        const what = `${user} may not ${right} ${resource}`;
        assertNotEquals(await probe(node), ALL_WORKS, what);
        dropped++;
      }
    }
    await grant(node, { [user]: users[user] });
  }
  assert(dropped >= 15, `only ${dropped} rights were dropped`);
}));

Deno.test(
  rabbitmqTest("The documented permissions without exchanges suffice for calls", async () => {
    const node = await newNode();
    const [, users] = await documented();
    assert(users !== undefined);
    await grant(node, users);
    assertEquals(await probe(node, false), {
      stream: 200,
      immediate: "timeout",
      cancelled: false,
      events: ["connected", "returns-unavailable"],
    });
    assertEquals(await learnsOfLoss(node), true);
  }),
);

Deno.test(
  rabbitmqTest("The permissions of version 0.1.0 suffice for calls and cancellations", async () => {
    const node = await newNode();
    const [current, , old] = await documented();
    assert(current !== undefined && old !== undefined);
    const both: readonly Users[] = [old, current];
    for (const server of both) {
      for (const client of both) {
        if (server === client && server === current) continue;
        await deleteQueue(QUEUE, node.url);
        await grant(node, {
          "math-server": server["math-server"],
          "math-client": client["math-client"],
        });
        const { stream, cancelled, events } = await probe(node);
        const what = `server ${server === old}, client ${client === old}`;
        assertEquals([stream, cancelled], [200, true], what);
        // They say what they lack, and lose no connection over it.
        assertEquals(events, ["connected", "parked", "returns-unavailable"], what);
      }
    }
  }),
);

/** Tells whether a server learns that a caller is gone, without any word from it. */
async function learnsOfLoss(node: PrivateNode): Promise<boolean> {
  const server = await RpcServer.listen(urlOf(node, "math-server"), {
    queue: QUEUE,
    handlers,
    returns: false,
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => server.close({ graceMs: 0 }));
  const client = await RpcClient.connect(urlOf(node, "math-client"), { queue: QUEUE });
  const call = outcomeOf(client.call("hang", 1));
  await eventually(() => assertEquals(server.stats().active, 1));
  await client.close({ graceMs: 0 });
  await call;
  return await eventually(() => assertEquals(server.stats().orphaned, 1)).then(
    () => true,
    () => false,
  );
}

Deno.test(rabbitmqTest("A durable reply queue takes the documented right to its name", async () => {
  const node = await newNode();
  const [users] = await documented();
  assert(users !== undefined);
  const text = await Deno.readTextFile(new URL("../../docs/permissions.md", import.meta.url));
  const [, pattern = ""] = /^`(rpc\\.replies\\.billing)`/m.exec(text) ?? [];
  assertNotEquals(pattern, "");
  const replyQueue = { name: "billing" } as const;
  const connect = () => RpcClient.connect(urlOf(node, "math-client"), { queue: QUEUE, replyQueue });
  await grant(node, users);
  assertEquals(await outcomeOf(connect()), "access-refused");
  const entries = RIGHTS.map((right) => [right, `${users["math-client"][right]}|^${pattern}$`]);
  await grant(node, { ...users, "math-client": Object.fromEntries(entries) });
  const url = urlOf(node, "math-server");
  await using _server = await RpcServer.listen(url, { queue: QUEUE, handlers });
  await using client = await connect();
  assertEquals(await client.call("echo", 1), 1);
}));

async function declareOldExchange({ url }: PrivateNode): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await channel.assertExchange("rpc.returns", "headers");
  await connection.close();
}

/** What somebody may try who has a client's rights. */
const ATTEMPTS: Readonly<Record<string, (channel: Channel) => PromiseLike<unknown>>> = {
  "take requests": (channel) => channel.consume(QUEUE, () => {}),
  "take parked requests": (channel) => channel.get(`${QUEUE}.parked`),
  "purge the requests": (channel) => channel.purgeQueue(QUEUE),
  "delete the request queue": (channel) => channel.deleteQueue(QUEUE),
  "watch cancellations": async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.bindQueue(queue, "rpc.control", QUEUE);
  },
  "watch requests": async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.bindQueue(queue, "math.requests", "");
  },
  "watch what queues of version 0.1.0 drop": async (channel) => {
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.bindQueue(queue, "rpc.returns", "");
  },
  "delete the exchange of the requests": (channel) => channel.deleteExchange("math.requests"),
  "delete the cancellations": (channel) => channel.deleteExchange("rpc.control"),
  "replace the exchange of the requests": (channel) =>
    channel.assertExchange("math.requests", "direct"),
};

Deno.test(
  rabbitmqTest(
    "A client's documented rights harm no other client's queues and exchanges",
    async () => {
      const node = await newNode();
      const [users] = await documented();
      assert(users !== undefined);
      await grant(node, users);
      const url = urlOf(node, "math-server");
      await using _server = await RpcServer.listen(url, { queue: QUEUE, handlers });
      await declareOldExchange(node);
      const connection = await connect(urlOf(node, "math-client"));
      for (const [what, attempt] of Object.entries(ATTEMPTS)) {
        const channel = await connection.createChannel();
        channel.on("error", () => {});
        const error: unknown = await attempt(channel).then(() => undefined, (error) => error);
        assert(error instanceof Error && error.message.includes("403"), `${what}: ${error}`);
      }
      await connection.close();
    },
  ),
);

/** Does all that an administrator does, and tells what came of it. */
async function administer(node: PrivateNode): Promise<unknown> {
  await using peer = await AmqpPeer.open(node.url);
  for (const queue of [QUEUE, `${QUEUE}.parked`]) await peer.declareQueue(queue, { durable: true });
  for (const body of ["1", "2"]) await peer.send(`${QUEUE}.parked`, body);
  return await outcomeOf((async () => {
    await using parked = await ParkedRequests.open(urlOf(node, "math-admin"), { queue: QUEUE });
    const [first] = await parked.list();
    const { dropped } = await parked.drop([first?.id ?? ""]);
    const { redriven } = await parked.redrive("all");
    return [dropped, redriven, (await parked.list()).length];
  })());
}

Deno.test(
  rabbitmqTest(
    "An administrator's documented permissions suffice, and each is needed",
    async () => {
      const node = await newNode();
      const [, grants] = (await documentedGrants()).find(([user]) => user === "math-admin") ?? [];
      assert(grants !== undefined);
      await grant(node, { "math-admin": grants });
      assertEquals(await administer(node), [1, 1, 0]);
      for (const right of RIGHTS) {
        await grant(node, { "math-admin": { ...grants, [right]: "^$" } });
        assertEquals(await administer(node), "access-refused", right);
      }
    },
  ),
);

Deno.test(rabbitmqTest("A client's documented rights ask servers, and change none", async () => {
  const node = await newNode();
  const grants = Object.fromEntries((await documentedGrants()).slice(0, 2)) as Users;
  const operator = (await documentedGrants()).find(([user]) => user === "math-operator")?.[1];
  assert(operator !== undefined);
  const { configure, write, read } = grants["math-server"];
  // As the page has it.
  const toAdmin = (pattern: string) => {
    assert(pattern.includes("rpc\\.control"), pattern);
    return pattern.replace("rpc\\.control", "rpc\\.(control|admin)");
  };
  const server = { configure: toAdmin(configure), write, read: toAdmin(read) };
  await grant(node, { ...grants, "math-server": server, "math-operator": operator });
  const handlers = { echo: (value: unknown) => value };
  const options = { queue: QUEUE, handlers, control: "admin" } as const;
  await using _server = await RpcServer.listen(urlOf(node, "math-server"), options);
  const target = { queue: QUEUE, expect: 1 };
  await using client = await RpcControl.connect(urlOf(node, "math-client"));
  assertEquals((await client.stats(target)).map(({ state }) => state), ["serving"]);
  for (const change of ["pause", "resume", "drain"] as const) {
    const error = await client[change](target).catch((error) => error);
    assertEquals(error.code, "access-refused", change);
  }
  for (const change of [client.scale(2, target), client.cancel(["x"], target)]) {
    assertEquals((await change.catch((error) => error)).code, "access-refused");
  }
  const model = await connect(urlOf(node, "math-client"));
  const channel = await model.createChannel();
  channel.on("error", () => {});
  const dropping = { exclusive: true, deadLetterExchange: "rpc.admin" };
  const refusal = await channel.assertQueue("", dropping).catch((error) => String(error));
  assert(String(refusal).includes("ACCESS_REFUSED"), String(refusal));
  await model.close();
  await using control = await RpcControl.connect(urlOf(node, "math-operator"));
  assertEquals((await control.pause(target)).map(({ state }) => state), ["paused"]);
  await eventually(async () => {
    assertEquals(await control.queue(QUEUE), { ready: 0, consumers: 0 });
  });
  assertEquals((await control.resume(target)).map(({ state }) => state), ["serving"]);
}));
