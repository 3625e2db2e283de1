import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import {
  type ConnectOptions,
  RpcClient,
  type RpcClientEvent,
  RpcConnection,
  RpcError,
  RpcServer,
} from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { eventually } from "../../helpers/eventually.ts";

const CLIENTS = 10;
const handlers = {
  echo: (value: unknown) => value,
  *count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  },
};

/** How many connections there have been, and how many channels are open. */
function counts({ log }: TestBroker) {
  const count = (name: "connection.open-ok" | "channel.open-ok" | "channel.close-ok") =>
    log.filter(name).length;
  return {
    connections: count("connection.open-ok"),
    channels: count("channel.open-ok") - count("channel.close-ok"),
  };
}

/** A server and clients on one connection, which go with the stack. */
async function startAll(connection: RpcConnection, stack: AsyncDisposableStack) {
  const events: RpcClientEvent[] = [];
  const server = stack.use(
    await RpcServer.listen(connection, { log: false, queue: "math", handlers }),
  );
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      RpcClient.connect(connection, {
        queue: "math",
        onEvent: (event) => events.push(event),
      })),
  );
  for (const client of clients) stack.use(client);
  return { server, clients, events };
}

Deno.test("A server and ten clients share two sockets", async () => {
  await using broker = await TestBroker.start();
  await using connection = await RpcConnection.open(broker.url);
  assertEquals(counts(broker).connections, 1);
  {
    await using stack = new AsyncDisposableStack();
    const { clients } = await startAll(connection, stack);
    const calls = clients.map((client, n) => client.call("echo", n));
    assertEquals(await Promise.all(calls), clients.map((_, n) => n));
    const [first] = clients;
    const items = await Array.fromAsync(first?.stream("count", 200, { credits: 4 }) ?? []);
    assertEquals(items.length, 200);
    assertEquals(counts(broker).connections, 2);
  }
  // Whoever closes takes along what is its own, and leaves the connection open.
  await eventually(() => assertEquals(counts(broker).channels, 0));
  assertEquals(broker.queues().map(({ name }) => name), ["math"]);
  await using server = await RpcServer.listen(connection, { log: false, queue: "math", handlers });
  await using client = await RpcClient.connect(connection, { queue: "math" });
  assertEquals(await client.call("echo", 1), 1);
  await eventually(() => assertEquals(server.stats().succeeded, 1));
  assertEquals(counts(broker).connections, 2);
});

Deno.test("A shared connection heals for all who use it, on two new sockets", async () => {
  await using broker = await TestBroker.start();
  await using connection = await RpcConnection.open(broker.url);
  await using stack = new AsyncDisposableStack();
  const { clients, events } = await startAll(connection, stack);
  const calls = clients.flatMap((client) =>
    Array.from({ length: 20 }, (_, n) => client.call("echo", n))
  );
  await broker.closeConnections("an operator says so");
  await Promise.all(calls);
  assertEquals(
    await Promise.all(clients.map((client) => client.call("echo", 1))),
    Array(CLIENTS).fill(1),
  );
  assertEquals(counts(broker).connections, 4);
  assertEquals(events.filter(({ type }) => type === "disconnected").length, CLIENTS);
  assertEquals(
    broker.queues().filter(({ name }) => name.startsWith("amq.gen-")).length,
    CLIENTS + 1,
  );
});

Deno.test("One whose channel is lost disturbs nobody else on the connection", async () => {
  await using broker = await TestBroker.start();
  await using connection = await RpcConnection.open(broker.url);
  await using stack = new AsyncDisposableStack();
  const { clients, events } = await startAll(connection, stack);
  // The first one is the control queue of the server.
  const reply = broker.queues().findLast(({ name }) => name.startsWith("amq.gen-"));
  assert(reply !== undefined);
  broker.cancelConsumers(reply.name);
  await eventually(() =>
    assertEquals(events.filter(({ type }) => type === "disconnected").length, 1)
  );
  await eventually(() => assertEquals(events.at(-1)?.type, "connected"));
  assertEquals(
    await Promise.all(clients.map((client) => client.call("echo", 1))),
    Array(CLIENTS).fill(1),
  );
  assertEquals(counts(broker).connections, 2);
});

Deno.test("Users of a shared connection that is closed end as closed", async () => {
  await using broker = await TestBroker.start();
  const connection = await RpcConnection.open(broker.url);
  await using stack = new AsyncDisposableStack();
  const { clients } = await startAll(connection, stack);
  await connection.close();
  await connection.close();
  const [client] = clients;
  const call = () => client?.call("echo", 1) ?? Promise.resolve();
  assertEquals((await assertRejects(call, RpcError)).code, "closed");
  const connect = () => RpcClient.connect(connection, { queue: "math" });
  const { code, message } = await assertRejects(connect, RpcError);
  assertEquals([code, message], ["closed", "Cannot use the shared connection as it is closed"]);
});

Deno.test("A shared connection is refused as one of its own is", async () => {
  await using broker = await TestBroker.start();
  const url = broker.url.replace("guest:guest", "guest:wrong");
  const refused = await assertRejects(() => RpcConnection.open(url), RpcError);
  assertEquals(refused.code, "access-refused");
  await using connection = await RpcConnection.open(broker.url);
  const options: ConnectOptions = { heartbeatMs: 5_000 };
  const error = await assertRejects(
    () => RpcClient.connect(connection, { queue: "math", ...options }),
    TypeError,
  );
  assertEquals(
    error.message,
    'Cannot connect as "heartbeatMs" is for all that share the connection: ' +
      "give it to RpcConnection.open()",
  );
});

Deno.test("RpcConnection.open() waits for a broker that is not there yet, if told to", async () => {
  const { port } = await (async () => {
    await using broker = await TestBroker.start();
    return { port: broker.port };
  })();
  const url = `amqp://127.0.0.1:${port}`;
  assertEquals((await assertRejects(() => RpcConnection.open(url), RpcError)).code, "unreachable");
  const opening = RpcConnection.open(url, { waitForBroker: true });
  await using broker = await TestBroker.start({ port });
  await using connection = await opening;
  await using _client = await RpcClient.connect(connection, { queue: "math" });
  assertEquals(counts(broker).connections, 1);
  const controller = new AbortController();
  const aborted = RpcConnection.open("amqp://127.0.0.1:1", {
    waitForBroker: true,
    signal: controller.signal,
  });
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await aborted.catch((error: unknown) => error), reason);
});

Deno.test("Each reply queue mode works on a shared connection", async () => {
  await using broker = await TestBroker.start({ compat: "4.3" });
  await using connection = await RpcConnection.open(broker.url);
  await using _server = await RpcServer.listen(connection, { log: false, queue: "math", handlers });
  for (const replyQueue of ["exclusive", "direct", { name: "billing" }] as const) {
    await using client = await RpcClient.connect(connection, { queue: "math", replyQueue });
    assertEquals(await client.call("echo", 1), 1);
  }
  assertEquals(counts(broker).connections, 2);
});
