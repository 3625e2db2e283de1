import { assert, assertEquals, assertFalse } from "../../deps/std_assert.ts";
import {
  RpcClient,
  type RpcClientEvent,
  RpcServer,
  type RpcServerEvent,
  type RpcState,
} from "../../mod.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { formsOf, showAll } from "../../tools/brokers/secrets.ts";
import { randomQueue } from "../helpers/broker.ts";
import { runChild } from "../helpers/child.ts";
import { eventually } from "../helpers/eventually.ts";
import { rabbitmqTest } from "../helpers/features.ts";

const PASSWORD = "s3cr:t/p@ss w0rd%";
const ENCODED = encodeURIComponent(PASSWORD);
const MARKS = [...formsOf("anna", PASSWORD), "s3cr"];

function assertSecret(what: string, value: unknown): void {
  const shown = showAll(value);
  for (const mark of MARKS) assertFalse(shown.includes(mark), `${what} shows the password`);
}

function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** URLs of all kinds with the marked password, none of which lead anywhere. */
function badUrls(node: PrivateNode): Record<string, string | string[]> {
  const { port } = new URL(node.url);
  const login = `anna:${ENCODED}`;
  const unreachable = `amqp://${login}@127.0.0.1:${closedPort()}`;
  return {
    "a wrong password": `amqp://${login}wrong@127.0.0.1:${port}`,
    "an unknown user": `amqp://nobody:${ENCODED}@127.0.0.1:${port}`,
    "a missing virtual host": `amqp://${login}@127.0.0.1:${port}/none`,
    "nothing that listens": unreachable,
    "no node that listens": [unreachable, unreachable],
    "no such host": `amqp://${login}@no-such-host.invalid`,
    "TLS where there is none": `amqps://${login}@127.0.0.1:${port}`,
    "an unescaped password": `amqp://anna:${PASSWORD}@127.0.0.1:${port}`,
    "a half escaped password": `amqp://anna:${ENCODED}%@127.0.0.1:${port}`,
    "another protocol": `http://${login}@127.0.0.1:${port}`,
    "no protocol": `anna:${ENCODED}@127.0.0.1`,
    "a bad port": `amqp://${login}@127.0.0.1:port`,
    "query parameters": `amqp://${login}@127.0.0.1:${port}?heartbeat=1`,
    "an empty host": `amqp://${login}@/`,
  };
}

Deno.test(rabbitmqTest("No error of connecting shows a password, whatever is wrong", async () => {
  await using node = await PrivateNode.start();
  await node.ctl("add_user", "anna", PASSWORD);
  for (const [what, url] of Object.entries(badUrls(node))) {
    const options = { queue: randomQueue(), connectTimeoutMs: 3_000 };
    const events: unknown[] = [];
    const onEvent = (event: RpcClientEvent | RpcServerEvent) => void events.push(event);
    const handlers = { echo: () => 1 };
    for (
      const open of [
        () => RpcClient.connect(url, { ...options, onEvent }),
        () => RpcServer.listen(url, { ...options, handlers, onEvent }),
      ]
    ) {
      const error: unknown = await open().then(() => undefined, (error) => error);
      assert(error instanceof Error, what);
      assertSecret(what, error);
      assertSecret(what, new AggregateError([error], "all", { cause: error }));
    }
    assertSecret(what, events);
  }
}));

Deno.test(
  rabbitmqTest("No object, event or error of a connected program shows its password", async () => {
    await using node = await PrivateNode.start();
    await node.ctl("add_user", "anna", PASSWORD);
    await node.ctl("set_permissions", "anna", ".*", ".*", ".*");
    const url = node.url.replace("guest:guest", `anna:${ENCODED}`);
    const events: (RpcClientEvent | RpcServerEvent)[] = [];
    const onEvent = (event: RpcClientEvent | RpcServerEvent) => void events.push(event);
    const queue = randomQueue();
    const handlers = {
      fail(_: unknown, context: unknown) {
        assertSecret("a call's context", context);
        throw new Error("no");
      },
    };
    await using server = await RpcServer.listen(url, { queue, handlers, onEvent });
    await using client = await RpcClient.connect(url, { queue, onEvent });
    const failed: unknown = await client.call("fail").catch((error: unknown) => error);
    assertSecret("a remote error", failed);
    for (const object of [client, server]) assertSecret("an object", object);
    await node.ctl("change_password", "anna", "another");
    await node.ctl("close_all_connections", "bye");
    const isRefused = (state: RpcState) => state.reason?.includes("the broker refuses");
    await eventually(() => assert(isRefused(server.state) && isRefused(client.state)));
    assertSecret("states", [server.state, client.state]);
    const late: unknown = await client.call("fail", 1, { timeoutMs: 1 }).catch((error) => error);
    assert(late instanceof Error);
    assertSecret("a refused client's error", late);
    assertSecret("events", events);
    for (const object of [client, server]) assertSecret("an object", object);
  }),
);

Deno.test("A program that dies of connecting does not print its password", async () => {
  const url = `amqp://anna:${ENCODED}@127.0.0.1:${closedPort()}`;
  const module = new URL("../fixtures/least_program.ts", import.meta.url);
  const { code, stdout, stderr } = await runChild(module, {
    args: [url, randomQueue(), "inline"],
    limitMs: 30_000,
  });
  assertEquals([code, stdout], [1, ""]);
  assert(stderr.includes("nothing listens there"), stderr);
  for (const mark of MARKS) assertFalse(stderr.includes(mark));
});
