import { testUnless } from "../helpers/features.ts";
import { assertEquals, assertExists, assertStringIncludes } from "../../deps/std_assert.ts";
import { TestBroker, VirtualClock } from "../../testing/mod.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { BrokerProgram, endOf } from "./helpers/broker_program.ts";
import { declareQueue, refusal } from "./helpers/both_brokers.ts";

/** Debian's Python has python3-pika; another one that comes first on the PATH may not. */
const PYTHON = "/usr/bin/python3";
const HAS_PIKA = await hasPika();

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function ask(
  { controlUrl }: { readonly controlUrl: string | undefined },
  ...[request, body, headers = {}]: [string, unknown?, Record<string, string>?]
): Promise<Answer> {
  const [method = "", path = ""] = request.split(" ");
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(`${controlUrl}${path}`, init);
  return { status: response.status, body: await response.json() };
}

Deno.test("The control interface is there for who asks for it", async () => {
  await using broker = await TestBroker.start();
  assertEquals(broker.controlUrl, undefined);
  await using steered = await TestBroker.start({ controlPort: 0, compat: "4.3" });
  const { status, body } = await ask(steered, "GET /");
  assertEquals(status, 200);
  assertStringIncludes(JSON.stringify(body), `"url":"${steered.url}","compat":"4.3","now":`);
});

Deno.test("The control interface tells of connections and queues, and ends them", async () => {
  await using broker = await TestBroker.start({ controlPort: 0 });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await declareQueue(client, { queue: "q" });
  await client.call(1, ["basic.consume", "basic.consume-ok"], { queue: "q", consumerTag: "c" });
  assertEquals((await ask(broker, "GET /connections")).body, [
    { number: 1, user: "guest", virtualHost: "/", channels: 1 },
  ]);
  assertEquals((await ask(broker, "GET /queues")).body, [
    { name: "q", messages: 0, unacked: 0, consumers: 1 },
  ]);
  await ask(broker, "POST /queues/cancel-consumers", { queue: "q" });
  await client.next(1, "basic.cancel");
  await ask(broker, "POST /connections/close", { connection: 1, reason: "maintenance" });
  const { arguments: { replyText } } = await client.next(0, "connection.close");
  assertEquals(replyText, "CONNECTION_FORCED - maintenance");
  await ask(broker, "POST /connections/reset");
  await client.ended();
});

Deno.test("The control interface injects faults and takes them back", async () => {
  const clock = new VirtualClock();
  await using broker = await TestBroker.start({ controlPort: 0, clock });
  using client = await RawClient.open(broker.url);
  for (const channel of [1, 2]) await client.openChannel(channel);
  await client.call(1, ["confirm.select", "confirm.select-ok"]);
  await ask(broker, "POST /faults/nack-confirms", { count: 1, channel: 1 });
  client.send(1, "basic.publish");
  await client.next(1, "basic.nack");
  await ask(broker, "POST /faults/hold-confirms");
  client.send(1, "basic.publish");
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
  assertEquals(client.received, []);
  await ask(broker, "POST /faults/release-confirms");
  await client.next(1, "basic.ack");
  await ask(broker, "POST /faults/close-channel", { method: "basic.qos", code: "not-found" });
  const closed = client.call(2, ["basic.qos", "basic.qos-ok"]);
  assertStringIncludes(await refusal(closed), "NOT_FOUND - closed by the test");
  await ask(broker, "POST /faults/delay", { ms: 50 });
  client.send(1, "basic.qos");
  await broker.log.next(({ name }) => name === "basic.qos");
  await ask(broker, "POST /clock/advance", { ms: 50 });
  await client.next(1, "basic.qos-ok");
  await ask(broker, "POST /faults/refuse-connections");
  using refused = await RawClient.dial(broker.url);
  await refused.ended();
  await ask(broker, "DELETE /faults");
  using other = await RawClient.open(broker.url);
  const point = { method: "basic.qos", direction: "received", connection: 2 };
  await ask(broker, "POST /faults/drop-connection", point);
  await other.openChannel(1);
  other.send(1, "basic.qos");
  await other.ended();
  await client.call(1, ["basic.qos", "basic.qos-ok"]);
});

Deno.test("The control interface blocks publishers", async () => {
  await using broker = await TestBroker.start({ controlPort: 0 });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  await ask(broker, "POST /faults/block-publishers", { reason: "full" });
  client.send(1, "basic.publish");
  assertEquals((await client.next(0, "connection.blocked")).arguments.reason, "full");
  await ask(broker, "POST /faults/unblock-publishers");
  await client.next(0, "connection.unblocked");
});

Deno.test("The control interface adds, changes and deletes users", async () => {
  await using broker = await TestBroker.start({ controlPort: 0 });
  const user = { name: "ada", password: "secret" };
  const permissions = { orders: { configure: "^mine$" } };
  assertEquals(await ask(broker, "POST /users", { ...user, permissions }), {
    status: 200,
    body: {},
  });
  assertEquals((await ask(broker, "GET /users")).body, ["guest", "ada"]);
  const options = { credentials: user, virtualHost: "orders" };
  using ada = await RawClient.open(broker.url, { ...options, credentials: user });
  await ada.openChannel(1);
  await declareQueue(ada, { queue: "mine" });
  await ask(broker, "POST /users", { ...user, permissions: { orders: { configure: "" } } });
  const declared = declareQueue(ada, { queue: "mine" });
  assertStringIncludes(await refusal(declared), "access to queue 'mine' in vhost 'orders' refused");
  await ask(broker, "DELETE /users?name=ada");
  const { arguments: { replyText } } = await ada.next(0, "connection.close");
  assertEquals(replyText, "CONNECTION_FORCED - user 'ada' was deleted");
  await ask(broker, "POST /vhosts", { name: "more" });
  assertEquals((await ask(broker, "GET /queues?vhost=more")).body, []);
});

Deno.test("The control interface reads the log, and waits for what comes", async () => {
  await using broker = await TestBroker.start({ controlPort: 0 });
  using client = await RawClient.open(broker.url);
  await client.openChannel(1);
  const { body } = await ask(broker, "GET /methods");
  const { last } = body as { last: number };
  const waited = ask(broker, `GET /methods?name=queue.declare&after=${last}&waitMs=10000`);
  const table = new Map([["x-max-length", { type: "signedint", value: 3n } as const]]);
  await declareQueue(client, { queue: "q", arguments: table });
  const expected = {
    number: last + 1,
    connection: 1,
    channel: 1,
    direction: "received",
    name: "queue.declare",
    arguments: {
      ticket: 0,
      queue: "q",
      passive: false,
      durable: false,
      exclusive: false,
      autoDelete: false,
      nowait: false,
      arguments: { "x-max-length": 3 },
    },
  };
  const { methods } = (await waited).body as { methods: unknown[] };
  assertEquals(methods, [expected]);
  const sent = await ask(
    broker,
    `GET /methods?after=${last}&direction=sent&channel=1&connection=1`,
  );
  assertStringIncludes(JSON.stringify(sent.body), '"name":"queue.declare-ok"');
  assertEquals((await ask(broker, `GET /methods?after=${last + 2}&waitMs=1`)).body, {
    methods: [],
    last: last + 2,
  });
  await ask(broker, "DELETE /methods");
  assertEquals((await ask(broker, "GET /methods")).body, { last: last + 2, methods: [] });
});

Deno.test("The control interface restarts the broker", async () => {
  await using broker = await TestBroker.start({ controlPort: 0 });
  using client = await RawClient.open(broker.url);
  await ask(broker, "POST /broker/stop");
  await client.ended();
  await ask(broker, "POST /broker/start");
  await ask(broker, "POST /broker/restart");
  using _again = await RawClient.open(broker.url);
});

Deno.test("TestBroker.close() ends requests that wait", async () => {
  const broker = await TestBroker.start({ controlPort: 0 });
  const waited = ask(broker, "GET /methods?waitMs=600000");
  // Only when the request is there it can be ended.
  await ask(broker, "GET /");
  await broker.close();
  assertEquals((await waited).body, { methods: [], last: 0 });
});

for (
  const [request, body, status, error] of [
    ["GET /none", undefined, 404, "there is no such request"],
    ["PUT /users", {}, 404, "there is no such request"],
    ["POST /faults/delay", { mss: 1 }, 400, 'there is no such field: "mss"'],
    ["POST /faults/delay", {}, 400, 'a field is missing: "ms"'],
    ["POST /faults/delay", { ms: "1" }, 400, '"ms" must be a number of at least 0'],
    ["POST /faults/delay", { ms: 1, channel: 0.5 }, 400, '"channel" must be an integer'],
    ["POST /faults/delay", [1], 400, "the body must be a JSON object"],
    [
      "POST /faults/drop-connection",
      { method: "x", direction: "sent" },
      400,
      '"method" must be a method, such as "basic.ack"',
    ],
    ["POST /clock/advance", { ms: 1 }, 409, "it is not a VirtualClock"],
    ["GET /methods?name=x", undefined, 400, '"name" must be the name of a method'],
    ["GET /methods?after=x", undefined, 400, '"after" must be an integer of at least 0'],
    ["POST /users", { name: "a" }, 400, '"password" must be a text'],
    ["GET /queues?vhost=none", undefined, 400, "there is none of that name"],
  ] as const
) {
  Deno.test(`The control interface refuses ${request} ${JSON.stringify(body) ?? ""}`, async () => {
    await using broker = await TestBroker.start({ controlPort: 0 });
    const answer = await ask(broker, request, body);
    assertEquals(answer.status, status);
    assertStringIncludes(JSON.stringify(answer.body), JSON.stringify(error).slice(1, -1));
  });
}

for (const header of ["origin", "host"]) {
  Deno.test(`The control interface is for no page of a browser (${header})`, async () => {
    await using broker = await TestBroker.start({ controlPort: 0 });
    const { hostname, port } = new URL(broker.controlUrl ?? "");
    // fetch() lets nobody say who it is.
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const foreign = header === "host" ? "host: evil.test" : "host: 127.0.0.1\r\norigin: http://a";
    const request = `GET / HTTP/1.1\r\n${foreign}\r\nconnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    const answer = await new Response(connection.readable).text();
    assertStringIncludes(answer, "HTTP/1.1 403");
  });
}

Deno.test("testing/main.ts --control says that its port is taken", async () => {
  await using broker = await TestBroker.start();
  const { code, stderr } = await endOf(["--port", "0", "--control", `${broker.port}`]);
  assertEquals(code, 69);
  assertStringIncludes(stderr, `the port is taken: listen EADDRINUSE: address already in use`);
});

Deno.test(
  testUnless(
    HAS_PIKA ? undefined : "python3-pika is missing",
    "docs/testing.md shows how Python steers the program",
    async () => {
      const args = ["--port", "0", "--control", "0", "--clock", "virtual"];
      await using program = await BrokerProgram.start(args);
      const code = await pythonExample();
      const { success, stdout, stderr } = await python([
        "-c",
        code,
        program.url,
        program.controlUrl,
      ]);
      assertEquals(stderr, "");
      assertEquals([success, stdout], [true, "nacked, and not stored\nexpired after a minute\n"]);
    },
  ),
);

async function pythonExample(): Promise<string> {
  const text = await Deno.readTextFile(new URL("../../docs/testing.md", import.meta.url));
  const [, code] = /```python\n(.*?)```/s.exec(text) ?? [];
  assertExists(code);
  return code;
}

async function hasPika(): Promise<boolean> {
  try {
    return (await python(["-c", "import pika"])).success;
  } catch {
    return false;
  }
}

async function python(
  args: readonly string[],
): Promise<{ success: boolean; stdout: string; stderr: string }> {
  const command = new Deno.Command(PYTHON, { args: [...args], stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
