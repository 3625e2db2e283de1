import { assertEquals, assertStringIncludes } from "../../deps/std_assert.ts";
import { AmqpConnection } from "../../internal/broker/amqp.ts";
import { parseBrokerUrl } from "../../internal/broker/broker_address.ts";
import { openConsumerSession } from "../../internal/serving/server_sessions.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { type Compat, TestBroker } from "../../testing/mod.ts";
import {
  ALL_WORKS,
  declareDefinitions,
  OPERATED_USERS,
  operatedDefinitions,
  type OperatedUser,
  refusalOf,
  useAll,
} from "../helpers/operators.ts";

const handlers = { echo: (value: unknown) => value };

/** A broker whose users have what the definitions grant, and a URL for each. */
async function startBroker(compat: Compat = "4.3") {
  const { permissions } = operatedDefinitions();
  const users = permissions.map(({ user, vhost, ...rights }) => ({
    name: user,
    password: "secret",
    permissions: { [vhost]: rights },
  }));
  const broker = await TestBroker.start({
    compat,
    users: [{ name: "guest", password: "guest" }, ...users],
  });
  const urlOf = (user: OperatedUser) => broker.url.replace("guest:guest", `${user}:secret`);
  return { broker, urlOf };
}

Deno.test("Definitions name all users of their test", () => {
  assertEquals(operatedDefinitions().permissions.map(({ user }) => user), [...OPERATED_USERS]);
});

for (const compat of ["3.10", "4.0", "4.3"] as const) {
  Deno.test(`declare: false declares, binds and deletes nothing, as on ${compat}`, async () => {
    const { broker, urlOf } = await startBroker(compat);
    await using _broker = broker;
    await declareDefinitions(broker.url, operatedDefinitions());
    broker.log.clear();
    assertEquals(await useAll(urlOf), ALL_WORKS);
    const declared = broker.log.events.flatMap((event) => {
      switch (event.name) {
        case "queue.declare":
        case "exchange.declare":
          return event.arguments.passive
            ? []
            : [`${event.name} ${JSON.stringify(event.arguments)}`];
        case "queue.bind":
        case "queue.unbind":
        case "queue.delete":
        case "queue.purge":
        case "exchange.delete":
          return [event.name];
        default:
          return [];
      }
    });
    // The lock of the administrator, who is neither a server nor a client.
    assertEquals(declared.length, 1, declared.join("\n"));
    assertStringIncludes(declared[0] ?? "", "math.parked.lock");
  });
}

Deno.test("declare: false tries no queue to find out whether a node has a majority", async () => {
  await using broker = await TestBroker.start();
  await declareDefinitions(broker.url, operatedDefinitions());
  const connection = await AmqpConnection.open(parseBrokerUrl(broker.url), {
    connectTimeoutMs: 5_000,
    heartbeatSeconds: 10,
    connectionName: "test",
    clientProperties: {},
  });
  const tried: boolean[] = [];
  for (const declare of [true, false]) {
    const session = await openConsumerSession(connection, {
      queue: "math",
      broker: { hostname: "127.0.0.1", port: 5672 },
      durability: "existing",
      returns: true,
      declare,
      requests: { isIdle: true, accept: () => Promise.resolve(), obey() {} },
      questions: { hasAdministrators: false, ask() {} },
      prefetch: () => 1,
      consumerName: "test",
      consumerPriority: undefined,
      timeLimitMs: undefined,
      onCancelled() {},
      onNoReturns() {},
    });
    broker.log.clear();
    assertEquals(await session.hasMajority(), true);
    tried.push(broker.log.filter("queue.declare").length > 0);
    await session.intake.stop();
  }
  await connection.close();
  assertEquals(tried, [true, false]);
});

Deno.test("declare: false names the queue that is missing", async () => {
  const { broker, urlOf } = await startBroker();
  await using _broker = broker;
  const options = { queue: "math", declare: false } as const;
  const listen = () => RpcServer.listen(urlOf("math-server"), { ...options, handlers });
  const missing = async (outcome: Promise<unknown>, message: string) => {
    const error = await refusalOf(outcome);
    assertEquals([error.code, error.message], ["misconfigured", message]);
  };
  const step =
    'does not exist: declare it as "@warren/rpc/definitions" has it, as "declare" is false';
  await missing(listen(), `Cannot listen on queue "math" as queue "math" ${step}`);
  const { queues } = operatedDefinitions();
  const some = { ...operatedDefinitions(), bindings: [] };
  await declareDefinitions(broker.url, { ...some, queues: queues.slice(0, 1) });
  await missing(listen(), `Cannot listen on queue "math" as queue "math.parked" ${step}`);
  await missing(
    RpcClient.connect(urlOf("math-client"), { ...options, replyQueue: { name: "billing" } }),
    `Cannot connect as reply queue "rpc.replies.billing" ${step}`,
  );
});

Deno.test("A stream goes on whose client lacks the exchanges that its server has", async () => {
  const own = "^amq\\.gen.*$";
  const rights = { configure: own, write: "^amq\\.(default|gen.*)$", read: own };
  const client = { name: "client", password: "secret", permissions: { "/": rights } };
  await using broker = await TestBroker.start({
    users: [{ name: "guest", password: "guest" }, client],
  });
  function* count(to: number) {
    for (let n = 0; n < to; n++) yield n;
  }
  await using _server = await RpcServer.listen(broker.url, { queue: "math", handlers: { count } });
  const url = broker.url.replace("guest:guest", "client:secret");
  await using caller = await RpcClient.connect(url, { queue: "math", timeoutMs: 5_000 });
  const items = await Array.fromAsync(caller.stream("count", 20, { credits: 4 }));
  assertEquals(items.length, 20);
});
