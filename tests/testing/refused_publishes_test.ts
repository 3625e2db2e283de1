import { RpcClient, type RpcClientEvent, RpcError, RpcServer } from "../../mod.ts";
import { assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { TestBroker } from "../../testing/mod.ts";
import { eventually } from "../helpers/eventually.ts";

const queue = "math";
const handlers = { echo: (value: unknown) => value };

Deno.test("RpcClient publishes again what is refused after a lost connection, for a while", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, { log: false, queue, handlers });
  const events: RpcClientEvent[] = [];
  await using client = await RpcClient.connect(broker.url, {
    queue,
    onEvent: (event) => events.push(event),
  });
  broker.closeConnections();
  const connected = () => events.filter(({ type }) => type === "connected").length;
  await eventually(() => assertEquals([connected(), broker.connectionCount], [2, 3]));
  broker.faults.nackConfirms(2);
  // What was refused was not run, so it may be sent again in any case.
  const calls = [client.call("echo", 1), client.call("echo", 2, { idempotent: false })];
  assertEquals(await Promise.all(calls), [1, 2]);
  // Once the broker has taken something, it means the one request that it refuses.
  await client.notify("echo");
  broker.faults.nackConfirms(1);
  const refused = await assertRejects(() => client.call("echo", 3), RpcError);
  assertEquals(refused.code, "queue-full");
});

Deno.test("RpcClient rejects at once what is refused before anything was lost", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, { log: false, queue, handlers });
  await using client = await RpcClient.connect(broker.url, { queue });
  broker.faults.nackConfirms(1);
  const { code, call } = await assertRejects(() => client.call("echo", 1), RpcError);
  assertEquals([code, call?.phase], ["queue-full", "unconfirmed"]);
});
