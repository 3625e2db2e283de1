import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import {
  assertEquals,
  assertFalse,
  assertRejects,
  assertStringIncludes,
} from "../../deps/std_assert.ts";
import { resolveConnectOptions } from "../../internal/broker/connect_settings.ts";
import { Connection } from "../../internal/broker/connection.ts";
import { within } from "../helpers/eventually.ts";
import { brokerUrl, changedUrl, randomQueue } from "../helpers/broker.ts";

const SECRET = "s3cret-p%40ss";

/** The error of a client and of a server that cannot connect, which must be the same. */
async function errorOf(url: string | readonly string[], options = {}): Promise<RpcError> {
  const queue = randomQueue();
  const handlers = { echo: () => {} };
  const error = await assertRejects(
    () => RpcClient.connect(url, { queue, ...options }),
    RpcError,
  );
  const serverError = await assertRejects(
    () => RpcServer.listen(url, { queue, handlers, ...options }),
    RpcError,
  );
  assertEquals([serverError.code, serverError.message], [error.code, error.message]);
  assertSecretIsKept(error);
  return error;
}

function assertSecretIsKept(error: unknown): void {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const shown = `${Deno.inspect(cause)}${cause.stack}${JSON.stringify(cause)}`;
    for (const secret of [SECRET, decodeURIComponent(SECRET)]) assertFalse(shown.includes(secret));
  }
}

Deno.test("RpcClient.connect() explains a wrong password", async () => {
  const error = await errorOf(changedUrl({ username: "stranger", password: SECRET }));
  assertEquals([error.code, error.retryable], ["access-refused", false]);
  assertStringIncludes(error.message, 'refuses user "stranger"');
});

Deno.test("RpcClient.connect() explains a missing virtual host", async () => {
  const error = await errorOf(changedUrl({ pathname: "/no%2Fsuch%20host" }));
  assertEquals([error.code, error.retryable], ["access-refused", false]);
  assertStringIncludes(error.message, 'virtual host "no/such host" does not exist');
});

Deno.test("RpcClient.connect() explains that nothing listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await errorOf(`amqp://user:${SECRET}@127.0.0.1:${port}`);
  assertEquals([error.code, error.retryable], ["unreachable", true]);
  assertStringIncludes(error.message, `127.0.0.1:${port}`);
  assertStringIncludes(error.message, "nothing listens there: start RabbitMQ");
});

Deno.test("RpcClient.connect() explains that there is no such host", async () => {
  const error = await errorOf(`amqp://user:${SECRET}@no-such-host.invalid`);
  assertEquals([error.code, error.retryable], ["unreachable", true]);
  assertStringIncludes(error.message, "no host of that name");
});

Deno.test("RpcClient.connect() explains a port that speaks something else", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(),
  );
  const error = await errorOf(`amqp://user:${SECRET}@127.0.0.1:${server.addr.port}`);
  assertEquals([error.code, error.retryable], ["misconfigured", false]);
  assertStringIncludes(error.message, "does not speak AMQP");
});

Deno.test("RpcClient.connect() explains TLS to a port without it", async () => {
  const url = changedUrl({ username: "user", password: SECRET }).replace("amqp:", "amqps:");
  const error = await errorOf(url);
  assertEquals([error.code, error.retryable], ["misconfigured", false]);
  assertStringIncludes(error.message, 'the port does not speak TLS: write "amqp://"');
});

Deno.test("RpcClient.connect() does not wait for a silent port for ever", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const error = await errorOf(`amqp://user:${SECRET}@127.0.0.1:${port}`, { connectTimeoutMs: 50 });
  assertEquals([error.code, error.retryable], ["unreachable", true]);
  assertStringIncludes(error.message, "did not answer in time");
});

Deno.test("An aborted connect() or listen() keeps no socket", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `amqp://127.0.0.1:${listener.addr.port}`;
  const queue = randomQueue();
  for (const side of ["client", "server"] as const) {
    const controller = new AbortController();
    const { signal } = controller;
    const connecting = side === "client"
      ? RpcClient.connect(url, { queue, signal })
      : RpcServer.listen(url, { queue, signal, handlers: { ping: () => 1 } });
    const rejected = assertRejects(() => connecting, Error, "enough");
    using socket = await listener.accept();
    controller.abort(new Error("enough"));
    await within(1_000, "the rejection", rejected);
    await within(1_000, "the end of the socket", untilEnd(socket));
  }
});

async function untilEnd(socket: Deno.Conn): Promise<void> {
  // One that is destroyed may end as a reset.
  const read = () => socket.read(new Uint8Array(1_024)).catch(() => null);
  while (await read() !== null);
}

Deno.test("RpcClient.connect() names no password of a URL it cannot read", async () => {
  const queue = randomQueue();
  const urls = [
    "",
    `amqp://user:${SECRET}@host:port`,
    `http://user:${SECRET}@127.0.0.1`,
    `amqp://user:${SECRET}%@127.0.0.1`,
    `amqp://user:${SECRET}@127.0.0.1?heartbeat=5`,
    `user:${SECRET}@127.0.0.1`,
  ];
  for (const url of urls) {
    assertSecretIsKept(await assertRejects(() => RpcClient.connect(url, { queue }), TypeError));
  }
  await assertRejects(() => RpcClient.connect([], { queue }), TypeError, "list of URLs is empty");
});

Deno.test("RpcClient.connect() tries the nodes of a cluster in turn", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const urls = [`amqp://127.0.0.1:${port}`, new URL(brokerUrl())];
  await using client = await RpcClient.connect(urls, { queue: randomQueue(), nodeOrder: "given" });
  assertEquals(client.pending, 0);
});

Deno.test("RpcClient.connect() checks its options before it connects", async () => {
  const queue = randomQueue();
  const connect = (options: object) =>
    RpcClient.connect("amqp://no.invalid", { queue, ...options });
  await assertRejects(() => connect({ queue: "" }), TypeError, '"queue" must be');
  await assertRejects(() => connect({ timeoutMs: 1.5 }), RangeError, '"timeoutMs"');
  await assertRejects(() => connect({ maxPending: 0 }), RangeError, '"maxPending"');
  await assertRejects(() => connect({ maxBodyBytes: -1 }), RangeError, '"maxBodyBytes"');
  await assertRejects(() => connect({ connectTimeoutMs: 0 }), RangeError, '"connectTimeoutMs"');
  await assertRejects(() => connect({ heartbeatMs: 500 }), RangeError, '"heartbeatMs"');
  await assertRejects(() => connect({ heartbeatMs: 1_500 }), RangeError, "multiple of 1000");
});

Deno.test("RpcServer.listen() checks its options before it connects", async () => {
  const handlers = { echo: () => {} };
  const listen = (options: object) =>
    RpcServer.listen("amqp://no.invalid", { queue: "q", handlers, ...options });
  await assertRejects(() => listen({ queue: "" }), TypeError, '"queue" must be');
  await assertRejects(() => listen({ prefetch: 0 }), RangeError, '"prefetch"');
  await assertRejects(() => listen({ prefetch: 2_001 }), RangeError, "1 to 2000");
  await assertRejects(() => listen({ maxBodyBytes: NaN }), RangeError, '"maxBodyBytes"');
  await assertRejects(() => listen({ durability: "eternal" }), TypeError, '"eternal"');
  await assertRejects(() => listen({ handlers: {} }), TypeError, '"handlers" must have functions');
  await assertRejects(() => listen({ handlers: { a: 1 } }), TypeError, 'handler of "a"');
  await assertRejects(() => listen({ handlers: { "": () => {} } }), TypeError, "1 to 255 bytes");
  await assertRejects(() => listen({ defaultProcedure: "b" }), TypeError, '"b"');
});

Deno.test("Connection.open() tells a cluster without a majority from a network", async () => {
  const opening = Connection.open({
    ...resolveConnectOptions(brokerUrl(), { connectTimeoutMs: 500 }, "test"),
    // As a node does that may declare nothing.
    setUp: () => new Promise<never>(() => {}),
    onSession() {},
    onEvent() {},
  });
  const error = await assertRejects(() => opening, RpcError);
  assertEquals([error.code, error.retryable], ["unreachable", true]);
  assertStringIncludes(error.message, "let us in and then did not answer in time");
  assertStringIncludes(error.message, "the cluster may have no majority");
});
