import { assert, assertEquals } from "../../deps/std_assert.ts";
import { RpcClient, RpcConnection, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

Deno.test("A program whose password was changed asks for the new one and serves on", async () => {
  await using broker = await TestBroker.start({ users: [{ name: "anna", password: "old" }] });
  const url = new URL(broker.url);
  url.password = "of no use";
  const queue = randomQueue();
  let password = "old";
  let failures = 2;
  const asked: string[] = [];
  const credentials = () => {
    asked.push(password);
    // The vault may be away when the password is changed.
    if (password === "new" && failures-- > 0) throw new Error("the vault is away");
    return { password };
  };
  const events: unknown[] = [];
  const onEvent = (event: unknown) => events.push(event);
  const options = { queue, credentials, onEvent };
  const handlers = { add: (n: number) => n + 1 };
  await using _server = await RpcServer.listen(url, { ...options, handlers });
  await using client = await RpcClient.connect(url, options);
  assertEquals(await client.call("add", 1), 2);
  assertEquals(new Set(asked), new Set(["old"]));
  broker.setUser({ name: "anna", password: "new" });
  password = "new";
  broker.resetConnections();
  assertEquals(await client.call("add", 2), 3);
  await eventually(() => assertEquals(broker.connections().length, 3));
  const shown = Deno.inspect(events, { depth: 10 });
  assert(shown.includes("the vault is away"));
  for (const secret of ["of no use", '"new"', '"old"']) assert(!shown.includes(secret), secret);
});

Deno.test("A shared connection asks for its credentials itself", async () => {
  await using broker = await TestBroker.start({ users: [{ name: "anna", password: "real" }] });
  const url = new URL(broker.url);
  url.password = "of no use";
  await using connection = await RpcConnection.open(url, {
    credentials: () => ({ password: "real" }),
  });
  const queue = randomQueue();
  await using _server = await RpcServer.listen(connection, {
    queue,
    handlers: { one: () => 1 },
    log: false,
  });
  await using client = await RpcClient.connect(connection, { queue });
  assertEquals(await client.call("one"), 1);
});

Deno.test("The broker is told the new token before the old one expires", async () => {
  await using broker = await TestBroker.start();
  let tokens = 0;
  const credentials = () => {
    tokens++;
    // What is told afterwards is not checked by this broker, as RabbitMQ's own users are not.
    const password = tokens === 1 ? "guest" : `token ${tokens}`;
    return { password, expiresAt: Date.now() + (tokens < 3 ? 1_200 : 3_600_000) };
  };
  await using _client = await RpcClient.connect(broker.url, { queue: "q", credentials });
  const told = () =>
    broker.log.filter("connection.update-secret", "received").map((event) => {
      const { newSecret } = event.arguments as { newSecret: Uint8Array };
      return new TextDecoder().decode(newSecret);
    });
  await eventually(() => assertEquals(told(), ["token 2", "token 3"]));
  assertEquals([tokens, broker.connections().length], [3, 1]);
});
