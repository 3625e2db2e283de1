import { RpcClient, RpcError } from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../deps/std_assert.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const echo = { echo: (value: unknown) => value };
const hang = { hang: () => new Promise(() => {}) };

function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(() => "none", (error) => error instanceof RpcError ? error.code : String(error));
}

Deno.test("RpcClient.close() waits for the pending calls", async () => {
  const gate = Promise.withResolvers<number>();
  await using pair = await startPair({ wait: () => gate.promise });
  const call = pair.client.call("wait");
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  const closing = pair.client.close();
  gate.resolve(7);
  await closing;
  assertEquals(await call, 7);
});

Deno.test("RpcClient.close() refuses calls at once while it waits", async () => {
  const gate = Promise.withResolvers<number>();
  await using pair = await startPair({ wait: () => gate.promise });
  const call = pair.client.call("wait");
  const closing = pair.client.close();
  assertEquals(await codeOf(pair.client.call("wait")), "closed");
  assertEquals(await codeOf(pair.client.notify("wait")), "closed");
  gate.resolve(7);
  await closing;
  assertEquals(await call, 7);
});

Deno.test("RpcClient.close() rejects what is pending after its grace", async () => {
  await using pair = await startPair(hang, { client: { maxPending: 1 } });
  const codes = Promise.all([1, 2, 3].map((n) => codeOf(pair.client.call("hang", n))));
  assertEquals(pair.client.stats(), {
    pending: 1,
    waiting: 2,
    lateReplies: 0,
    duplicateReplies: 0,
    unknownReplies: 0,
  });
  await pair.client.close({ graceMs: 10 });
  assertEquals(await codes, ["closed", "closed", "closed"]);
  assertEquals(pair.client.pending, 0);
  await pair.server.close({ graceMs: 0 });
});

Deno.test("RpcClient.close() gives one promise however often it is called", async () => {
  await using pair = await startPair(echo);
  const closing = pair.client.close();
  assertStrictEquals(pair.client.close({ graceMs: 0 }), closing);
  assertStrictEquals(pair.client[Symbol.asyncDispose](), closing);
  await closing;
  assertStrictEquals(pair.client.close(), closing);
});

Deno.test("RpcClient refuses calls and notifications once it is closed", async () => {
  await using pair = await startPair(echo);
  await pair.client.close();
  assertEquals(await codeOf(pair.client.call("echo", 1)), "closed");
  assertEquals(await codeOf(pair.client.notify("echo", 1)), "closed");
  assertEquals(pair.client.pending, 0);
});

Deno.test("RpcClient closes when its block is left by await using", async () => {
  await using pair = await startPair(echo);
  let inner: RpcClient;
  {
    await using client = await RpcClient.connect(pair.url, { queue: pair.queue });
    assertEquals(await client.call("echo", 1), 1);
    inner = client;
  }
  assertEquals(await codeOf(inner.call("echo", 1)), "closed");
  assertEquals(await pair.client.call("echo", 2), 2);
});

Deno.test("RpcClient.close() leaves other clients of the queue alone", async () => {
  await using pair = await startPair(echo);
  const { queue, url } = pair;
  const others = await Promise.all([1, 2].map(() => RpcClient.connect(url, { queue })));
  await pair.client.close();
  assertEquals(await Promise.all(others.map((client, n) => client.call("echo", n))), [0, 1]);
  await Promise.all(others.map((client) => client.close()));
});

Deno.test("RpcClient.connect() gives up when its signal aborts", async () => {
  await using pair = await startPair(echo);
  const reason = new Error("enough");
  const { queue, url } = pair;
  const options = { queue, signal: AbortSignal.abort(reason) };
  const error = await assertRejects(() => RpcClient.connect(url, options), Error);
  assertStrictEquals(error, reason);
  const controller = new AbortController();
  await using client = await RpcClient.connect(url, { queue, signal: controller.signal });
  controller.abort(reason);
  assertEquals(await client.call("echo", 1), 1);
});

Deno.test("RpcClient.connect() gives up a silent broker when told to", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `amqp://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  const controller = new AbortController();
  const reason = new Error("enough");
  const options = { queue: "none", signal: controller.signal, connectTimeoutMs: 3_000 };
  const connecting = RpcClient.connect(url, options).catch((error) => error);
  using _socket = await listener.accept();
  controller.abort(reason);
  assertStrictEquals(await connecting, reason);
  assert(controller.signal.aborted);
});

Deno.test("RpcClient.close() rejects for a graceMs that is none", async () => {
  await using pair = await startPair(echo);
  for (const graceMs of [NaN, -1, "1"]) {
    const options = { graceMs } as { graceMs: number };
    await assertRejects(() => pair.client.close(options), RangeError, '"graceMs" must be a number');
  }
  assertEquals(await pair.client.call("echo", 1), 1);
});
