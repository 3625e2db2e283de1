// deno test --allow-net=127.0.0.1 examples/testing/service_test.ts
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";

const handlers = { greet: (name: string) => `Hello, ${name}` };
type Greetings = typeof handlers;

Deno.test("greet() greets", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, { queue: "greetings", handlers });
  await using client = await RpcClient.connect<Greetings>(broker.url, { queue: "greetings" });
  const greeting = await client.call("greet", "Ada");
  if (greeting !== "Hello, Ada") throw new Error(`That is no greeting: ${greeting}`);
});

Deno.test("A call outlives a lost connection", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, { queue: "greetings", handlers });
  await using client = await RpcClient.connect<Greetings>(broker.url, { queue: "greetings" });
  // What is hard to have at will from a real broker is one line here.
  broker.closeConnections();
  const greeting = await client.call("greet", "Bob");
  if (greeting !== "Hello, Bob") throw new Error(`That is no greeting: ${greeting}`);
});
