import { RpcError, RpcRemoteError } from "../../mod.ts";
import { msgpackCodec } from "../../msgpack.ts";
import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { z } from "../../deps/zod.ts";
import { startPair } from "../helpers/pair.ts";

const BOTH_SIDES = { server: { codecs: [msgpackCodec] }, client: { codec: msgpackCodec } };

const handlers = {
  echo: (value: unknown) => value,
  bytes: (length: number) => new Uint8Array(length).fill(7),
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
  const error = await assertRejects(() => pair.client.call("bytes", 1), RpcRemoteError);
  assertEquals(error.code, "unencodable");
});

Deno.test("An output schema may change what the call resolves with", async () => {
  const outputs = { echo: z.object({ at: z.string().transform((text) => new Date(text)) }) };
  await using pair = await startPair(handlers, { client: { outputs } });
  const at = "2026-11-21T00:00:00.000Z";
  assertEquals(await pair.client.call("echo", { at }), { at: new Date(at) });
  assertEquals(await pair.client.call("bytes", 0).catch((error) => error.code), "unencodable");
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
