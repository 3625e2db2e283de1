import { RpcError, RpcRemoteError } from "../../mod.ts";
import { msgpackCodec } from "../../extras/msgpack/codec.ts";
import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { z } from "../../deps/zod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { startPair } from "../helpers/pair.ts";

const BOTH_SIDES = { server: { codecs: [msgpackCodec] }, client: { codecs: [msgpackCodec] } };

const handlers = {
  echo: (value: unknown) => value,
  bytes: (length: number) => new Uint8Array(length).fill(7),
  date: () => new Date(0),
  fail() {
    throw Object.assign(new Error("Cannot"), { details: { left: 2n ** 64n } });
  },
};

Deno.test("MessagePack carries what JSON cannot, both ways", async () => {
  await using pair = await startPair(handlers, BOTH_SIDES);
  const values = [
    new Date(1_234_567_890_123),
    new Map<unknown, unknown>([[1, new Map([["a", 2n ** 70n]])], ["k", new Date(0)]]),
    { bytes: new Uint8Array([0, 255]), big: -(2n ** 64n) },
    [null, true, 1.5, "żółw"],
  ];
  for (const value of values) assertEquals(await pair.client.call("echo", value), value);
});

Deno.test("MessagePack carries a megabyte of bytes as bytes", async () => {
  await using pair = await startPair(handlers, BOTH_SIDES);
  const output = await pair.client.call("bytes", 2 ** 20);
  assert(output instanceof Uint8Array);
  assertEquals([output.length, output.every((byte) => byte === 7)], [2 ** 20, true]);
});

Deno.test("A client of MessagePack understands a handler's error", async () => {
  await using pair = await startPair(handlers, BOTH_SIDES);
  const { details, message } = await assertRejects(() => pair.client.call("fail"), RpcRemoteError);
  assertEquals([details, message], [{ left: 2n ** 64n }, "Cannot"]);
});

Deno.test("A server without the codec answers that it has none", async () => {
  await using pair = await startPair(handlers, { client: BOTH_SIDES.client });
  const error = await assertRejects(() => pair.client.call("echo", 1), RpcRemoteError);
  assertEquals(error.code, "undecodable");
  assert(error.message.includes(msgpackCodec.contentType));
});

Deno.test("A server with two codecs answers each client in its own", async () => {
  await using pair = await startPair(handlers, { server: BOTH_SIDES.server });
  assertEquals(await pair.client.call("echo", 2n ** 70n), 2n ** 70n);
  const error = await assertRejects(() => pair.client.call("date", 1), RpcRemoteError);
  assertEquals(error.code, "unencodable");
});

Deno.test("An input that its schema refuses never leaves its client", async () => {
  const inputs = { echo: z.object({ at: z.string().transform((text) => new Date(text)) }) };
  await using pair = await startPair(handlers, { client: { inputs } });
  const wrong = { at: 5 };
  const calls = [
    () => pair.client.call("echo", wrong),
    () => pair.client.notify("echo", wrong),
    () => Array.fromAsync(pair.client.map("echo", [wrong])),
    () => Array.fromAsync(pair.client.stream("echo", wrong)),
    () => pair.client.callAll([["echo", wrong]]),
  ];
  for (const call of calls) {
    const { code, call: report, details } = await assertRejects(call, RpcError);
    assertEquals([code, report?.phase], ["invalid-input", "not-published"]);
    assert(JSON.stringify(details).includes('"path":["at"]'));
  }
  assertEquals(pair.server.stats().failed, 0);
  // The server gets what was given, not what the schema of the client has made of it.
  assertEquals(await pair.client.call("echo", { at: "x" }), { at: "x" });
  assertEquals(await pair.client.call("bytes", 1), new Uint8Array([7]));
});

Deno.test("A client refuses to check inputs by asynchronous schemas", async () => {
  const inputs = { echo: z.unknown().refine(async () => await true) };
  await using pair = await startPair(handlers, { client: { inputs } });
  await assertRejects(() => pair.client.call("echo", 1), TypeError, "is asynchronous");
});

Deno.test("An output schema may change what the call resolves with", async () => {
  const outputs = { echo: z.object({ at: z.string().transform((text) => new Date(text)) }) };
  await using pair = await startPair(handlers, { client: { outputs } });
  const at = "2026-11-21T00:00:00.000Z";
  assertEquals(await pair.client.call("echo", { at }), { at: new Date(at) });
  assertEquals(await pair.client.call("date", 0).catch((error) => error.code), "unencodable");
});

Deno.test("An output that its schema refuses names each place", async () => {
  const outputs = { echo: z.object({ tags: z.array(z.string()) }) };
  await using pair = await startPair(handlers, { client: { outputs } });
  const call = () => pair.client.call("echo", { tags: ["a", 2] });
  const { code, message, details, call: report } = await assertRejects(call, RpcError);
  assertEquals([code, report?.phase, report?.procedure], ["invalid-output", "replied", "echo"]);
  assert(message.includes('"$.tags[1]"'));
  assertEquals(JSON.stringify(details).includes('"path":["tags",1]'), true);
});

Deno.test("An output schema of a stream checks each item, and changes it", async () => {
  const left = Promise.withResolvers<void>();
  const handlers = {
    *days() {
      yield "2026-11-21T00:00:00.000Z";
    },
    async *mixed() {
      try {
        yield 1;
        yield "two";
        for (;;) yield await Promise.resolve(3);
      } finally {
        left.resolve();
      }
    },
  };
  const days = z.string().transform((text) => new Date(text));
  const outputs = { days, mixed: z.number() };
  await using pair = await startPair(handlers, { client: { outputs } });
  assertEquals(await Array.fromAsync(pair.client.stream("days")), [new Date("2026-11-21")]);
  const items: unknown[] = [];
  const { code, details } = await assertRejects(async () => {
    for await (const item of pair.client.stream("mixed")) items.push(item);
  }, RpcError);
  assertEquals([items, code], [[1], "invalid-output"]);
  assertEquals(JSON.stringify(details).includes('"path":[]'), true);
  // Nobody reads the rest.
  await left.promise;
});

Deno.test("A client refuses to check items by asynchronous schemas", async () => {
  const outputs = { numbers: z.unknown().refine(async () => await true) };
  const handlers = {
    *numbers() {
      yield 1;
    },
  };
  await using pair = await startPair(handlers, { client: { outputs } });
  await assertRejects(
    () => Array.fromAsync(pair.client.stream("numbers")),
    TypeError,
    "asynchronous",
  );
});

Deno.test("Bytes need no codec: they are carried as they are, both ways", async () => {
  const seen: unknown[] = [];
  await using pair = await startPair({
    echo: (value: unknown) => (seen.push(value), value),
    length: (value: Uint8Array) => ({ length: value.length }),
    bytes: (length: number) => new Uint8Array(length).fill(7),
    *chunks() {
      yield new Uint8Array([1, 2]);
      yield "text";
    },
  });
  const { client } = pair;
  for (const length of [0, 3, 300_000]) {
    const bytes = new Uint8Array(length).fill(9);
    const output = await client.call("echo", bytes);
    assertEquals([output, seen.pop()], [bytes, bytes]);
    assertEquals(await client.call("length", bytes), { length });
    assertEquals(await client.call("bytes", length), new Uint8Array(length).fill(7));
  }
  const items = await Array.fromAsync(client.stream("chunks", undefined));
  assertEquals(items, [new Uint8Array([1, 2]), "text"]);
});

Deno.test("Bytes move through a pool behind a server", async () => {
  const url = import.meta.resolve("../fixtures/workers/bytes_worker.ts");
  await using pool = await WorkerPool.open(url, { maxWorkers: 1 });
  await using pair = await startPair({}, { server: { handlers: pool.handlers() } });
  const { client } = pair;
  const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index);
  assertEquals(await client.call("echo", bytes), bytes);
  assertEquals(await client.call("count", { length: 100_000, isGiven: true }), bytes);
  assertEquals(await client.call("left", undefined), 0);
  assertEquals(await client.call("echo", bytes.subarray(1, 4)), bytes.slice(1, 4));
});
