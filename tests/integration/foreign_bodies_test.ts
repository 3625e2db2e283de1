import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../deps/std_assert.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

const BYTES = { contentType: "application/octet-stream" };
const NO_TEXT = new Uint8Array([0xff, 0, 1]);

/** Says of a value what it has become: bytes are no JSON. */
function describe(value: unknown): unknown {
  return value instanceof Uint8Array ? { bytes: [...value] } : { value };
}

/** Asks a server by hand for what it has read. */
async function readBy(
  queue: string,
  body: string | Uint8Array,
  properties: Record<string, unknown>,
): Promise<unknown> {
  await using peer = await AmqpPeer.open();
  const reply = await peer.request(queue, body, { correlationId: "1", ...properties });
  assertEquals(reply.properties.contentType, "application/json");
  return JSON.parse(reply.content.toString());
}

Deno.test("RpcServer reads octet-stream without a type as JSON if it is JSON", async () => {
  await using pair = await startPair({ describe });
  assertEquals(await readBy(pair.queue, "30", BYTES), { value: 30 });
  assertEquals(await readBy(pair.queue, NO_TEXT, BYTES), { bytes: [...NO_TEXT] });
  // Who knows types knows what to call JSON.
  const named = { ...BYTES, type: "describe" };
  assertEquals(await readBy(pair.queue, "30", named), { bytes: [0x33, 0x30] });
});

Deno.test("A pool reads octet-stream without a type as JSON if it is JSON", async () => {
  const url = import.meta.resolve("../fixtures/workers/bytes_worker.ts");
  await using pool = await WorkerPool.open(url, { maxWorkers: 1 });
  const server = { handlers: pool.handlers(), defaultProcedure: "echo" };
  await using pair = await startPair({}, { server });
  assertEquals(await readBy(pair.queue, "[30]", BYTES), [30]);
});

Deno.test("RpcServer reads plain text as JSON or as a text, and +json as JSON", async () => {
  await using pair = await startPair({ describe });
  const text = { contentType: "text/plain" };
  assertEquals(await readBy(pair.queue, "30", text), { value: 30 });
  assertEquals(await readBy(pair.queue, "thirty", text), { value: "thirty" });
  const named = { contentType: "application/vnd.api+json" };
  assertEquals(await readBy(pair.queue, "[30]", named), { value: [30] });
});

Deno.test("RpcServer takes a codec of its own before those that are built in", async () => {
  const codec = {
    contentType: "text/plain",
    encode: String,
    decode: (body: string | Uint8Array) => `${body.length} characters`,
  };
  await using pair = await startPair({ describe }, { server: { codecs: [codec] } });
  await using peer = await AmqpPeer.open();
  const reply = await peer.request(pair.queue, "30", { contentType: "text/plain" });
  assertEquals(reply.content.toString(), "[object Object]");
});

Deno.test("RpcServer names the encoding of a compressed body, and takes others", async () => {
  await using pair = await startPair({ describe });
  const gzip = { contentType: "application/json", contentEncoding: "gzip" };
  await using peer = await AmqpPeer.open();
  const reply = await peer.request(pair.queue, NO_TEXT, gzip);
  const { code, message } = JSON.parse(reply.content.toString());
  assertEquals(code, "undecodable");
  assertStringIncludes(message, 'its content encoding is "gzip"');
  const utf8 = { contentType: "application/json", contentEncoding: "utf-8" };
  assertEquals(await readBy(pair.queue, "30", utf8), { value: 30 });
});

Deno.test("RpcClient reads replies of programs that name no type", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const answer = async (body: string | Uint8Array, properties: Record<string, unknown>) => {
    const output = client.call("fib", 30);
    const { replyTo, correlationId } = (await nextOf(requests)).properties;
    const sent = peer.send(replyTo, body, { correlationId, ...properties });
    return (await Promise.all([output, sent]))[0];
  };
  assertEquals(await answer("832040", BYTES), 832040);
  assertEquals(await answer(NO_TEXT, BYTES), NO_TEXT);
  assertEquals(
    await answer("832040", { ...BYTES, type: "output" }),
    Uint8Array.from("832040", (digit) => digit.charCodeAt(0)),
  );
  assertEquals(await answer("not found", { contentType: "text/plain" }), "not found");
  const compressed = () => answer(NO_TEXT, { contentEncoding: "gzip" });
  const error = await assertRejects(compressed, RpcError, 'its content encoding is "gzip"');
  assertEquals(error.code, "undecodable");
});

/** A value of AMQP 1.0, as RabbitMQ hands it on. */
function amqpValue(...bytes: number[]): Uint8Array {
  return new Uint8Array([0x00, 0x53, 0x77, ...bytes]);
}

Deno.test("RpcServer answers the message id of a request of AMQP 1.0", async () => {
  let runs = 0;
  await using pair = await startPair({ double: (n: number) => (runs++, 2 * n) });
  await using peer = await AmqpPeer.open();
  for (const n of [10, 20]) {
    // The same id for other work: it is no idempotency key.
    const reply = await peer.request(pair.queue, String(n), { messageId: "1" });
    assertEquals([reply.properties.correlationId, reply.content.toString()], ["1", `${2 * n}`]);
  }
  assertEquals(runs, 2);
});

Deno.test("RpcServer reads a text that is sent as a value of AMQP 1.0", async () => {
  await using pair = await startPair({ describe });
  const type = { type: "amqp-1.0" };
  const digits = [...new TextEncoder().encode("30")];
  for (const head of [[0xa1, 2], [0xb1, 0, 0, 0, 2], [0xa0, 2]]) {
    assertEquals(await readBy(pair.queue, amqpValue(...head, ...digits), type), { value: 30 });
  }
  assertEquals(await readBy(pair.queue, amqpValue(0xa1, 1, 0x78), type), { value: "x" });
  assertEquals(await readBy(pair.queue, amqpValue(0xa0, 1, 0xff), type), { bytes: [0xff] });
  for (const body of [amqpValue(0x45), amqpValue(0xa1, 9, 0x78), new Uint8Array(3)]) {
    const { code, message } = await readBy(pair.queue, body, type) as Record<string, string>;
    assertEquals(code, "undecodable");
    assertStringIncludes(message ?? "", "a value of AMQP 1.0");
  }
});

Deno.test("RpcClient is answered by servers of AMQP 1.0", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const output = client.call("fib", 30);
  const { replyTo, messageId } = (await nextOf(requests)).properties;
  const body = amqpValue(0xa1, 6, ...new TextEncoder().encode("832040"));
  await peer.send(replyTo, body, { correlationId: messageId, type: "amqp-1.0" });
  assertEquals(await output, 832_040);
});

Deno.test("RpcServer replies to the queues that other clients name themselves", async () => {
  await using pair = await startPair({ double: (n: number) => 2 * n });
  await using peer = await AmqpPeer.open();
  for (const name of [`rpc.reply.${crypto.randomUUID()}`, `client.gen-${crypto.randomUUID()}`]) {
    const replyTo = await peer.declareQueue(name);
    const replies = await peer.messages(replyTo);
    await peer.send(pair.queue, "21", { replyTo, correlationId: "1" });
    assertEquals((await nextOf(replies)).content.toString(), "42");
  }
});

Deno.test("RpcServer replies to the address of a queue, as RabbitMQ 4.0 has it of AMQP 1.0", async () => {
  await using pair = await startPair({ double: (n: number) => 2 * n });
  await using peer = await AmqpPeer.open();
  const name = await peer.declareQueue(`client.gen-${crypto.randomUUID()}/ż`);
  const replies = await peer.messages(name);
  const replyTo = `/queues/${encodeURIComponent(name)}`;
  await peer.send(pair.queue, "21", { replyTo, correlationId: "1" });
  assertEquals((await nextOf(replies)).content.toString(), "42");
  assertEquals(pair.server.stats().replyToRefused, 0);
  // What it names must be a reply queue all the same.
  for (const refused of [`/queues/${pair.queue}`, "/queues/%zz", "/queues/"]) {
    await peer.send(pair.queue, "21", { replyTo: refused, correlationId: "1" });
  }
  await eventually(() => assertEquals(pair.server.stats().replyToRefused, 3));
});

Deno.test("RpcServer without an observer warns of the first reply queue that it refuses", async () => {
  const write = console.error;
  const lines: string[] = [];
  console.error = (line: string) => lines.push(line);
  try {
    await using peer = await AmqpPeer.open();
    const queue = randomQueue();
    await using server = await RpcServer.listen(brokerUrl(), { queue, handlers: { describe } });
    for (const replyTo of ["billing", "other"]) {
      await peer.send(queue, "1", { replyTo, correlationId: "1" });
      await eventually(() => assertEquals(server.stats().active, 0));
    }
    await eventually(() => assertEquals(server.stats().replyToRefused, 2));
    const told = lines.filter((line) => line.includes("billing") || line.includes("other"));
    assertEquals(told.length, 1);
    assertStringIncludes(told[0] ?? "", `"billing": allow it with the server's "replyQueues"`);
    await peer.deleteQueue(queue);
    await peer.deleteQueue(`${queue}.parked`);
  } finally {
    console.error = write;
  }
});
