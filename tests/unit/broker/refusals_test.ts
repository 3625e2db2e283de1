import { assert, assertEquals, assertInstanceOf, assertRejects } from "../../../deps/std_assert.ts";
import {
  RpcClient,
  type RpcClientEvent,
  RpcConnection,
  RpcError,
  RpcServer,
  type RpcServerEvent,
  RpcTimeoutError,
} from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { eventually } from "../../helpers/eventually.ts";

const queue = "math";
const handlers = { echo: (value: unknown) => value };
const user = { name: "anna", password: "right" };

/** The codes of the errors with which attempts failed. */
function refusals(events: readonly (RpcClientEvent | RpcServerEvent)[]): unknown[] {
  return events.flatMap((event) =>
    event.type === "reconnecting" && event.error instanceof RpcError ? [event.error.code] : []
  );
}

for (const isShared of [false, true]) {
  const how = isShared ? ", over one connection" : "";
  Deno.test(`A server and a client come back from a wrong password by themselves${how}`, async () => {
    let broker = await TestBroker.start({ users: [user] });
    const { port } = broker;
    const url = `amqp://anna:right@127.0.0.1:${port}`;
    await using connection = isShared ? await RpcConnection.open(url) : undefined;
    const place = connection ?? url;
    const serverEvents: RpcServerEvent[] = [];
    const clientEvents: RpcClientEvent[] = [];
    await using server = await RpcServer.listen(place, {
      queue,
      handlers,
      onEvent: (event) => serverEvents.push(event),
    });
    await using client = await RpcClient.connect(place, {
      queue,
      onEvent: (event) => clientEvents.push(event),
    });
    assertEquals([server.state.name, client.state.name], ["serving", "connected"]);
    await broker[Symbol.asyncDispose]();
    broker = await TestBroker.start({ port, users: [{ ...user, password: "other" }] });
    await eventually(() => {
      assert(refusals(serverEvents).includes("access-refused"));
      assert(refusals(clientEvents).includes("access-refused"));
    });
    for (const asked of [server, client]) {
      await eventually(() => {
        assertEquals(asked.state.name, "reconnecting");
        assert(asked.state.reason?.includes('refuses user "anna"'), asked.state.reason);
      });
    }
    // Who waits in vain is told why.
    await assertRejects(
      () => client.call("echo", 1, { timeoutMs: 1 }),
      RpcTimeoutError,
      "Cannot publish as the client is reconnecting: Cannot connect to the broker",
    );
    await broker[Symbol.asyncDispose]();
    broker = await TestBroker.start({ port, users: [user] });
    await eventually(() => assertEquals(server.state.name, "serving"));
    assertEquals(await client.call("echo", 1), 1);
    assertEquals([client.state.name, client.state.reason], ["connected", undefined]);
    await client.close();
    await server.close();
    await server.finished;
    assertEquals([server.state.name, client.state.name], ["closed", "closed"]);
    await connection?.close();
    await broker[Symbol.asyncDispose]();
  });
}

Deno.test("RpcServer.finished rejects once the connection that it shares is closed", async () => {
  await using broker = await TestBroker.start();
  const connection = await RpcConnection.open(broker.url);
  await using server = await RpcServer.listen(connection, { queue, handlers, log: false });
  await using client = await RpcClient.connect(connection, { queue, log: false });
  await connection.close();
  // Nobody observes it in the meantime.
  await eventually(() => assertEquals(server.state.name, "failed"));
  const error: unknown = await server.finished.catch((error: unknown) => error);
  assertInstanceOf(error, RpcError);
  assertEquals(error.code, "closed");
  assert(server.state.reason?.includes("closed"));
  await eventually(() => assertEquals(client.state.name, "failed"));
  await assertRejects(() => client.call("echo", 1), RpcError, "closed");
  await server.close();
  assertEquals(server.state.name, "failed");
});

Deno.test("A server drains while it finishes what it has in hand", async () => {
  await using broker = await TestBroker.start();
  const gate = Promise.withResolvers<number>();
  const server = await RpcServer.listen(broker.url, {
    queue,
    handlers: { wait: () => gate.promise },
    log: false,
  });
  await using client = await RpcClient.connect(broker.url, { queue });
  const call = client.call("wait");
  await eventually(() => assertEquals(server.stats().active, 1));
  const closed = server.close();
  assertEquals(server.state.name, "draining");
  gate.resolve(1);
  assertEquals(await call, 1);
  await closed;
  assertEquals(server.state.name, "closed");
});

Deno.test("A server whose broker takes no reply says so", async () => {
  await using broker = await TestBroker.start();
  const gate = Promise.withResolvers<number>();
  await using server = await RpcServer.listen(broker.url, {
    queue,
    handlers: { wait: () => gate.promise },
    log: false,
  });
  await using client = await RpcClient.connect(broker.url, { queue });
  const call = client.call("wait");
  await eventually(() => assertEquals(server.stats().active, 1));
  broker.faults.blockPublishers();
  gate.resolve(1);
  await eventually(() => assertEquals(server.state.name, "blocked"));
  assertEquals(server.state.reason, "low on memory");
  broker.faults.unblockPublishers();
  assertEquals(await call, 1);
  await eventually(() => assertEquals(server.state.name, "serving"));
  assertEquals(client.state.name, "connected");
});
