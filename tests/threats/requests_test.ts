import { assert, assertEquals, assertFalse, assertRejects } from "../../deps/std_assert.ts";
import { RpcClient, RpcRemoteError, type RpcServerEvent } from "../../mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";
import { CONTROL_TEXT } from "../../tools/raw/poison.ts";

const echo = { echo: (value: unknown) => value };
// deno-lint-ignore no-control-regex -- these are what must not be there
const CONTROL_REGEXP = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/;

/** Of a process of a node that does not exist, which RabbitMQ 3.10 ends the connection for. */
const DIRECT_ADDRESS_OF_NOBODY = "amq.rabbitmq.reply-to.g1h3CnhAbm8td2hlcmUAAAABAAAAAAAAAAE=.b";

function outcomes(pair: Pair): string[] {
  return pair.serverEvents.flatMap((event) => event.type === "served" ? event.outcome : []);
}

Deno.test("Threat: a replyTo cannot send a result to another's queue", async () => {
  let runs = 0;
  await using pair = await startPair({ count: () => ++runs });
  await using peer = await AmqpPeer.open();
  const victim = await peer.declareQueue();
  const abuses = [
    victim,
    pair.queue,
    `${pair.queue}.parked`,
    "amq.rabbitmq.reply-to",
    " amq.gen-a",
  ];
  for (const replyTo of abuses) {
    // The broker itself refuses the pseudo-queue of somebody who does not consume it.
    if (replyTo === "amq.rabbitmq.reply-to") continue;
    await peer.send(pair.queue, "1", { replyTo, correlationId: "c" });
  }
  await eventually(() => assertEquals(outcomes(pair), Array(4).fill("reply-to-refused")));
  assertEquals([runs, await peer.countMessages(victim)], [0, 0]);
  assertEquals(await pair.client.call("count"), 1);
});

Deno.test("Threat: a made-up direct reply address takes no server down", async () => {
  await using pair = await startPair(echo);
  await using peer = await AmqpPeer.open();
  const tokens = ["x", "a.b", "g1h2AA5yZXBseQ==.x", "AAAA.b", "g2g=.b"];
  for (const token of tokens) {
    const replyTo = `amq.rabbitmq.reply-to.${token}`;
    await peer.send(pair.queue, "1", { replyTo, correlationId: "c" });
    assertEquals(await pair.client.call("echo", token), token);
  }
  await eventually(() => {
    const refused = outcomes(pair).filter((outcome) => outcome === "reply-to-refused");
    assertEquals(refused.length, tokens.length);
  });
  assertFalse(pair.serverEvents.some(({ type }) => type === "disconnected"));
});

Deno.test("Threat: a well-made direct address of nobody costs two reconnects at most", async () => {
  await using pair = await startPair(echo);
  await using peer = await AmqpPeer.open();
  await peer.send(pair.queue, "1", { replyTo: DIRECT_ADDRESS_OF_NOBODY });
  const calls = Array.from({ length: 50 }, (_, n) => pair.client.call("echo", n));
  assertEquals(await Promise.all(calls), calls.map((_, n) => n));
  await eventually(() => assertEquals(pair.server.stats().active, 0));
  const losses = pair.serverEvents.filter(({ type }) => type === "disconnected").length;
  assert(losses <= 2, `${losses} connections were lost`);
});

Deno.test("Threat: a long request cannot have its reply address cost connections", async () => {
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  await using pair = await startPair({
    wait(_input, { signal }) {
      runs++;
      return Promise.race([gate.promise, new Promise((end) => signal.onabort = end)]);
    },
  });
  await using peer = await AmqpPeer.open();
  await peer.send(pair.queue, "1", { replyTo: DIRECT_ADDRESS_OF_NOBODY });
  {
    await using gone = await AmqpPeer.open();
    await gone.send(pair.queue, "1", { replyTo: gone.replyQueue });
    await eventually(() => assertEquals(runs, 2));
  }
  // That this caller is gone is found out when both are looked for.
  await eventually(() => assertEquals(pair.server.stats().orphaned, 1));
  assertEquals(runs, 2);
  assertFalse(pair.serverEvents.some(({ type }) => type === "disconnected"));
  gate.resolve();
  await eventually(() => assertEquals(pair.server.stats().active, 0));
});

Deno.test("Threat: __proto__ and constructor.prototype pollute nothing", async () => {
  const bodies = [
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '[{"__proto__":{"valueOf":1}},{"prototype":{"polluted":1}}]',
  ];
  await using pair = await startPair({
    ...echo,
    fail(details: unknown) {
      throw Object.assign(new Error("no"), { details });
    },
  });
  await using peer = await AmqpPeer.open();
  for (const body of bodies) {
    const headers = JSON.parse(`{"constructor":{"prototype":{"polluted":"1"}},"toString":"1"}`);
    const reply = await peer.request(pair.queue, body, { headers, type: "echo" });
    assertEquals(reply.content.toString(), body);
    const input: unknown = JSON.parse(body);
    const error = await assertRejects(() => pair.client.call("fail", input), RpcRemoteError);
    assertEquals(JSON.stringify(error.details), body);
  }
  assertEquals(({} as { polluted?: unknown }).polluted, undefined);
});

Deno.test("Threat: polluted options give no options", async () => {
  const options: { queue: string } = JSON.parse(
    `{"queue":"q-none","__proto__":{"maxPending":0,"signal":1}}`,
  );
  await using client = await RpcClient.connect(brokerUrl(), options);
  assertEquals(client.pending, 0);
});

Deno.test("Threat: procedures are not looked up among inherited members", async () => {
  const names = [
    ...Object.getOwnPropertyNames(Object.prototype),
    ...Object.getOwnPropertyNames(Function.prototype),
    "then",
    "catch",
  ];
  await using pair = await startPair({ ...echo, other: () => 1 });
  for (const name of names) {
    const error = await assertRejects(() => pair.client.call(name, 1), RpcRemoteError);
    assertEquals(error.code, "unknown-procedure", name);
  }
});

Deno.test("Threat: a procedure's name has no control characters", async () => {
  await using pair = await startPair(echo);
  await assertRejects(() => pair.client.call(CONTROL_TEXT), TypeError, "control characters");
  await assertRejects(
    () => startPair({ [CONTROL_TEXT]: () => 1 }),
    TypeError,
    "control characters",
  );
});

Deno.test("Threat: an error reply tells nothing of how the server is built", async () => {
  await using pair = await startPair({
    fail() {
      const cause = Object.assign(new Error("inner"), { connection: "amqp://user:secret@host" });
      throw new Error("no", { cause });
    },
  });
  await using peer = await AmqpPeer.open();
  const reply = await peer.request(pair.queue, "1");
  const text = reply.content.toString();
  // Messages are for callers, those of causes, too; what else an error has is not.
  const cause = { name: "Error", message: "inner", code: "handler-error" };
  assertEquals(JSON.parse(text), { name: "Error", message: "no", code: "handler-error", cause });
  for (const part of ["file:", ".ts", "secret", Deno.cwd(), "    at "]) {
    assertFalse(text.includes(part));
  }
});

Deno.test("Threat: ids of strangers write no lines into logs", async () => {
  await using pair = await startPair({ ...echo, other: () => 1 });
  await using peer = await AmqpPeer.open();
  const odd = { type: CONTROL_TEXT, contentType: CONTROL_TEXT, correlationId: CONTROL_TEXT };
  const unknown = await peer.request(pair.queue, "1", odd);
  const unreadable = await peer.request(pair.queue, "1", { ...odd, type: "echo" });
  await peer.send(pair.queue, "1", { ...odd, replyTo: CONTROL_TEXT });
  await eventually(() => assertEquals(pair.server.stats().replyToRefused, 1));
  const texts = [unknown, unreadable].map(({ content }) => JSON.parse(content.toString()).message);
  const events = pair.serverEvents.flatMap((event: RpcServerEvent) => Object.values(event));
  for (const text of [...texts, ...events]) {
    assertFalse(typeof text === "string" && (CONTROL_REGEXP.test(text) || text.includes("\n")));
  }
});

Deno.test("Threat: JSON that is too deep or too large is answered with an error", async () => {
  let runs = 0;
  await using pair = await startPair({ count: () => ++runs }, {
    server: { maxBodyBytes: 500_000 },
  });
  await using peer = await AmqpPeer.open();
  const bodies: [string, string][] = [
    ["[".repeat(200_000) + "]".repeat(200_000), "undecodable"],
    ['{"a":'.repeat(2_000) + "1" + "}".repeat(2_000), "undecodable"],
    [`"${"x".repeat(500_000)}"`, "too-large"],
  ];
  for (const [body, code] of bodies) {
    const reply = await peer.request(pair.queue, body);
    assertEquals(JSON.parse(reply.content.toString()).code, code);
  }
  assertEquals(runs, 0);
});

Deno.test("Threat: work without an end ends with its caller's deadline", async () => {
  const aborted = Promise.withResolvers<unknown>();
  await using pair = await startPair({
    async fib(_n: number, { signal }) {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      aborted.resolve(signal.reason);
    },
  });
  await assertRejects(() => pair.client.call("fib", 1e9, { timeoutMs: 100 }));
  await aborted.promise;
  await eventually(() => assertEquals(pair.server.stats().active, 0));
});
