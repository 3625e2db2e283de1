import { assert, assertEquals, assertLess, assertRejects } from "../../../deps/std_assert.ts";
import { type Body, decodeUtf8, jsonCodec } from "../../../codec.ts";
import { RpcError } from "../../../errors.ts";
import { openHandler } from "../../../internal/running/encoded_handler.ts";
import { msgpackCodec } from "../../../extras/msgpack/codec.ts";
import type { WorkerPoolOptions } from "../../../workers/mod.ts";
import type { PlainContract } from "../../fixtures/workers/plain_worker.ts";
import { encodedRequest, insideOf, openPool } from "./pool_helpers.ts";

function openPlain() {
  return openPool<PlainContract>("plain_worker.ts");
}

function text(body: Body): string {
  return typeof body === "string" ? body : decodeUtf8(body);
}

Deno.test("WorkerPool.handlers() has each procedure as an own property", async () => {
  await using pool = await openPlain();
  assertEquals(
    Object.keys({ ping: () => "pong", ...pool.handlers() }),
    ["ping", "echo", "addLater", "describeCall", "repeat", "workerId"],
  );
});

Deno.test("WorkerPool.handlers() keeps names of Object's own apart", async () => {
  await using pool = await openPool("odd_names_worker.ts");
  const handlers = { ...pool.handlers<{ __proto__: () => string }>() };
  assertEquals(Object.keys(handlers), ["__proto__", "constructor", "toString", "then"]);
});

Deno.test("WorkerPool.handlers() have the longest time limit of all procedures", async () => {
  const limitOf = async (options: WorkerPoolOptions) => {
    await using pool = await openPool<PlainContract>("plain_worker.ts", options);
    return openHandler(pool.handlers().echo)?.timeLimitMs;
  };
  const limits = { echo: { timeLimitMs: 7_000 } };
  assertEquals(await limitOf({ timeLimitMs: 5_000, limits }), 7_000);
  assertEquals(await limitOf({ limits }), undefined);
});

Deno.test("WorkerPool.handlers() run in workers when they are called as functions", async () => {
  await using pool = await openPlain();
  const { addLater, workerId } = pool.handlers();
  assertEquals(await addLater({ a: 1, b: 2 }), 3);
  assertEquals(await workerId(undefined), await pool.run("workerId"));
  await using streaming = await openPool<{ count(to: number): Generator<number> }>(
    "stream_worker.ts",
  );
  assertEquals(await Array.fromAsync(streaming.handlers().count(3)), [0, 1, 2]);
});

Deno.test("EncodedHandler.handle() replies with an encoded output", async () => {
  await using pool = await openPlain();
  const { type, body, contentType } = await insideOf(pool.handlers().addLater).handle(
    encodedRequest("addLater", '{"a":1,"b":2}'),
  );
  assertEquals([type, body, contentType], ["output", "3", "application/json"]);
});

Deno.test("EncodedHandler.handle() takes bodies of every size", async () => {
  await using pool = await openPlain();
  for (const length of [1, 8_191, 8_192, 70_000, 2_000_000]) {
    const body = JSON.stringify("ö".repeat(length));
    const request = encodedRequest("echo", body);
    const handled = insideOf(pool.handlers().echo).handle(request);
    // The chunk is amqplib's again as soon as the promise is there.
    new Uint8Array(request.body.buffer).fill(0);
    assertEquals(text((await handled).body), body);
  }
});

Deno.test("EncodedHandler.handle() neither moves nor posts the shared chunk", async () => {
  await using pool = await openPlain();
  const request = encodedRequest("echo", JSON.stringify("x".repeat(50_000)));
  await insideOf(pool.handlers().echo).handle(request);
  assertEquals(request.body.buffer.byteLength, 50_202);
});

Deno.test("EncodedHandler.handle() treats an empty body as undefined", async () => {
  await using pool = await openPlain();
  const reply = await insideOf(pool.handlers().echo).handle(encodedRequest("echo", ""));
  assertEquals(reply.body, "");
});

Deno.test("EncodedHandler.handle() replies undecodable to what is not UTF-8", async () => {
  await using pool = await openPlain();
  for (const length of [2, 9_000]) {
    const body = new Uint8Array(length).fill(0xff);
    const reply = await insideOf(pool.handlers().echo).handle(encodedRequest("echo", body));
    assertEquals(reply.type, "error");
    assertEquals(errorCode(reply.body), "undecodable");
  }
});

Deno.test("EncodedHandler.handle() replies undecodable to what is not JSON", async () => {
  await using pool = await openPlain();
  const reply = await insideOf(pool.handlers().echo).handle(encodedRequest("echo", "{half"));
  assertEquals(errorCode(reply.body), "undecodable");
});

Deno.test("EncodedHandler.handle() replies undecodable to an unknown content type", async () => {
  await using pool = await openPlain();
  const request = encodedRequest("echo", "<a/>", { contentType: "application/xml" });
  const reply = await insideOf(pool.handlers().echo).handle(request);
  assertEquals(errorCode(reply.body), "undecodable");
});

Deno.test("EncodedHandler.handle() takes the codecs that the worker file has", async () => {
  await using pool = await openPool("msgpack_worker.ts");
  const { echo } = pool.handlers();
  assert(echo !== undefined);
  for (const size of [3, 100_000]) {
    const value = { bytes: new Uint8Array(size).fill(7), at: new Date(0), big: 2n ** 70n };
    const body = msgpackCodec.encode(value);
    const { contentType } = msgpackCodec;
    const reply = await insideOf(echo).handle(encodedRequest("echo", body, { contentType }));
    assertEquals(reply.contentType, contentType);
    assertEquals(msgpackCodec.decode(reply.body), value);
  }
});

Deno.test("WorkerPool.run() moves bytes with a codec that carries them", async () => {
  await using pool = await openPool("msgpack_worker.ts", { codecs: [msgpackCodec] });
  for (const size of [3, 100_000]) {
    const bytes = new Uint8Array(size).fill(7);
    assertEquals(await pool.run("echo", bytes), bytes);
  }
});

Deno.test("EncodedHandler.handle() tells the worker's handler of its call", async () => {
  await using pool = await openPlain();
  const deadline = Date.now() + 60_000;
  const context = { correlationId: "c-1", deadline, redeliveries: 2 };
  const reply = await insideOf(pool.handlers().describeCall).handle(
    encodedRequest("describeCall", "", context),
  );
  assertEquals(jsonCodec.decode(reply.body), {
    procedure: "describeCall",
    ...context,
    aborted: false,
  });
});

Deno.test("EncodedHandler.handle() throws when the worker dies", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const { close } = pool.handlers();
  assert(close !== undefined);
  const error = await assertRejects(
    () => insideOf(close).handle(encodedRequest("close", "")),
    RpcError,
  );
  assertEquals(error.code, "worker-crashed");
});

Deno.test("EncodedHandler.handle() does not start what has expired", async () => {
  await using pool = await openPlain();
  // Callers' clocks differ from ours: a deadline counts only once it is well past.
  const request = encodedRequest("echo", "1", { deadline: Date.now() - 60_000 });
  const error = await assertRejects(() => insideOf(pool.handlers().echo).handle(request), RpcError);
  assertEquals(error.code, "timeout");
  const late = encodedRequest("echo", "1", { deadline: Date.now() - 1_000 });
  assertEquals((await insideOf(pool.handlers().echo).handle(late)).body, "1");
});

Deno.test("EncodedHandler.handle() answers short calls fast in sequence", async () => {
  await using pool = await openPlain();
  const startedAt = performance.now();
  for (let round = 0; round < 200; round++) {
    await insideOf(pool.handlers().echo).handle(encodedRequest("echo", "1"));
  }
  assertLess((performance.now() - startedAt) / 200, 25);
});

function errorCode(body: Body): unknown {
  const value = jsonCodec.decode(body);
  return typeof value === "object" && value !== null && "code" in value ? value.code : undefined;
}
