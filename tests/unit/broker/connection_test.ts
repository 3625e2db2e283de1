import { hostname } from "node:os";
import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { ParkedRequests } from "../../../extras/parked/parked_requests.ts";
import { VERSION } from "../../../internal/broker/connect_settings.ts";
import { type ConnectOptions, RpcClient, RpcError, RpcServer } from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { eventually } from "../../helpers/eventually.ts";

const handlers = { echo: (value: unknown) => value };

/** What the management interface would show of each connection so far. */
function shown({ log }: TestBroker, name: string): (string | undefined)[] {
  return log.filter("connection.start-ok").map((event) => {
    if (event.name !== "connection.start-ok") return undefined;
    const field = event.arguments.clientProperties.get(name);
    return field?.type === "longstr" ? new TextDecoder().decode(field.value) : undefined;
  });
}

Deno.test("Connections say what they are and where they run", async () => {
  await using broker = await TestBroker.start();
  await using _server = await RpcServer.listen(broker.url, { log: false, queue: "math", handlers });
  await using _client = await RpcClient.connect(broker.url, { queue: "math" });
  await using _admin = await ParkedRequests.open(broker.url, { queue: "math" });
  const place = `${hostname()}:${Deno.pid}`;
  assertEquals(shown(broker, "connection_name"), [
    `math server/publisher ${place}`,
    `math server/consumer ${place}`,
    `math client ${place}`,
    `math administrator ${place}`,
  ]);
  assertEquals(new Set(shown(broker, "product")), new Set(["@warren/rpc"]));
  assertEquals(new Set(shown(broker, "version")), new Set([VERSION]));
  assertEquals(new Set(shown(broker, "platform")), new Set([`Deno ${Deno.version.deno}`]));
});

Deno.test("Connections say what their program tells them to", async () => {
  await using broker = await TestBroker.start();
  const clientProperties = { product: "shop", team: "billing" };
  const options = { queue: "math", connectionName: "till", clientProperties };
  await using _client = await RpcClient.connect(broker.url, options);
  for (
    const [name, value] of [
      ["connection_name", "till"],
      ...Object.entries(clientProperties),
    ] as const
  ) {
    assertEquals(shown(broker, name), [value], name);
  }
});

/** A port where nothing listens yet. */
async function freePort(): Promise<number> {
  await using broker = await TestBroker.start();
  return broker.port;
}

/** All that connects. */
const OPENERS: Readonly<
  Record<string, (url: string, options: ConnectOptions) => Promise<AsyncDisposable>>
> = {
  RpcClient: (url, options) => RpcClient.connect(url, { queue: "math", ...options }),
  RpcServer: (url, options) => RpcServer.listen(url, { queue: "math", handlers, ...options }),
  ParkedRequests: (url, options) => ParkedRequests.open(url, { queue: "math", ...options }),
};

for (const [name, open] of Object.entries(OPENERS)) {
  Deno.test(`${name} waits for a broker that is not there yet, if told to`, async () => {
    const port = await freePort();
    const url = `amqp://127.0.0.1:${port}`;
    const refused = await assertRejects(() => open(url, {}), RpcError);
    assertEquals(refused.code, "unreachable");
    const opening = open(url, { waitForBroker: true });
    // One that is given a time gives up when it has passed.
    await assertRejects(() => open(url, { waitForBroker: 300 }), RpcError, "nothing listens there");
    await using _broker = await TestBroker.start({ port });
    await using _opened = await opening;
  });

  Deno.test(`${name} stops to wait for a broker when it is aborted`, async () => {
    const url = `amqp://127.0.0.1:${await freePort()}`;
    const controller = new AbortController();
    const opening = open(url, { waitForBroker: true, signal: controller.signal });
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(await opening.catch((error: unknown) => error), reason);
  });

  Deno.test(`${name} does not wait for a broker that refuses`, async () => {
    await using broker = await TestBroker.start();
    const url = broker.url.replace("guest:guest", "guest:wrong");
    const { code } = await assertRejects(() => open(url, { waitForBroker: true }), RpcError);
    assertEquals(code, "access-refused");
  });
}

Deno.test("A client that waits for its broker tells of each pause", async () => {
  const port = await freePort();
  const events: string[] = [];
  const opening = RpcClient.connect(`amqp://127.0.0.1:${port}`, {
    queue: "math",
    waitForBroker: 60_000,
    onEvent: ({ type }) => events.push(type),
  });
  await eventually(() => assert(events.length >= 2));
  await using _broker = await TestBroker.start({ port });
  await using _client = await opening;
  assertEquals(new Set(events.slice(0, -1)), new Set(["reconnecting"]));
  assertEquals(events.at(-1), "connected");
});
