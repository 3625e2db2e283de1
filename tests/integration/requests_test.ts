import { RpcRemoteError } from "../../mod.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../../deps/std_assert.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const echo = { echo: (value: unknown) => value };

/** Sends a request by hand and reads the reply. */
async function ask({ queue }: Pair, body: string | Uint8Array, properties = {}) {
  await using peer = await AmqpPeer.open();
  const reply = await peer.request(queue, body, properties);
  const { type, contentType, correlationId } = reply.properties;
  return { type, contentType, correlationId, value: JSON.parse(reply.content.toString()) };
}

Deno.test("RpcServer echoes the correlation id, whatever it is", async () => {
  await using pair = await startPair(echo);
  for (const correlationId of ["1", "ż".repeat(127), "__proto__"]) {
    assertEquals(await ask(pair, "[1]", { correlationId }), {
      type: "output",
      contentType: "application/json",
      correlationId,
      value: [1],
    });
  }
  assertEquals((await ask(pair, "1")).correlationId, undefined);
});

Deno.test("RpcServer runs its only procedure for a request without name", async () => {
  await using pair = await startPair(echo);
  assertEquals((await ask(pair, "30")).value, 30);
  assertEquals((await ask(pair, "30", { contentType: "text/plain" })).value, 30);
  assertEquals((await ask(pair, "30", { contentType: "Application/JSON; a=b" })).value, 30);
});

Deno.test("RpcServer runs defaultProcedure for a request without name", async () => {
  const handlers = { ...echo, negate: (n: number) => -n };
  await using pair = await startPair(handlers, { server: { defaultProcedure: "negate" } });
  assertEquals((await ask(pair, "30")).value, -30);
  assertEquals((await ask(pair, "30", { type: "echo" })).value, 30);
});

Deno.test("RpcServer answers a nameless request it has no default for", async () => {
  await using pair = await startPair({ ...echo, other: () => 1 });
  const { type, value } = await ask(pair, "30");
  assertEquals([type, value.code], ["error", "unknown-procedure"]);
});

Deno.test("RpcServer answers an unknown procedure with an error", async () => {
  await using pair = await startPair(echo);
  for (const name of ["Echo", "constructor", "__proto__", "toString", "hasOwnProperty"]) {
    const error = await assertRejects(() => pair.client.call(name, 1), RpcRemoteError, name);
    assertEquals([error.code, error.procedure], ["unknown-procedure", name]);
  }
  await eventually(() => assertEquals(pair.server.stats().failed, 5));
});

Deno.test("RpcServer answers a body that it cannot decode with an error", async () => {
  await using pair = await startPair(echo);
  for (const body of ["{", "NaN", new Uint8Array([0xff]), "[".repeat(200_000)]) {
    const { type, value } = await ask(pair, body);
    assertEquals([type, value.code], ["error", "undecodable"]);
  }
  const { value } = await ask(pair, "1", { contentType: "application/x-unheard-of" });
  assertEquals(value.code, "undecodable");
  assertEquals(await pair.client.call("echo", 1), 1);
});

Deno.test("RpcServer answers an input over maxBodyBytes with an error", async () => {
  let runs = 0;
  await using pair = await startPair({ count: () => runs++ }, { server: { maxBodyBytes: 1_000 } });
  const call = () => pair.client.call("count", "x".repeat(1_000));
  const { code, message } = await assertRejects(call, RpcRemoteError);
  assertEquals([code, runs], ["too-large", 0]);
  assertMatch(message, /1002 bytes.*"maxBodyBytes" is 1000/);
});

Deno.test("RpcServer answers an output over maxBodyBytes with an error", async () => {
  const handlers = { grow: (n: number) => "x".repeat(n) };
  await using pair = await startPair(handlers, { server: { maxBodyBytes: 1_000 } });
  const { code } = await assertRejects(() => pair.client.call("grow", 1_000), RpcRemoteError);
  assertEquals(code, "too-large");
  assertEquals(await pair.client.call("grow", 3), "xxx");
});

Deno.test("RpcServer answers an output that cannot be encoded with an error", async () => {
  await using pair = await startPair({ now: () => ({ at: [new Date()] }) });
  const error = await assertRejects(() => pair.client.call("now"), RpcRemoteError, "$.at[0]");
  assertEquals(error.code, "unencodable");
});

Deno.test("RpcServer answers whatever odd thing a handler throws", async () => {
  const odd: (() => unknown)[] = [
    () => undefined,
    () => null,
    () => 1n,
    () => Symbol("odd"),
    () => Object.create(null),
    () => ({ toString: () => Deno.exit }),
    () => Object.assign(new Error("x"), { details: () => {} }),
    () => Object.assign(new Error("x"), { name: 5, code: {} }),
    () => Object.defineProperty(new Error("x"), "message", { value: undefined }),
    () => Object.defineProperty(new Error("x"), "name", { value: Symbol("odd") }),
    () => Object.defineProperty(new Error("x"), "code", { get: () => unreadable() }),
    () => new Proxy(new Error("x"), { get: () => unreadable() }),
  ];
  await using pair = await startPair({
    fail(index: number) {
      throw odd[index]?.();
    },
  });
  for (const index of odd.keys()) {
    const call = pair.client.call("fail", index, { timeoutMs: 5_000 });
    assertEquals((await assertRejects(() => call, RpcRemoteError)).code, "handler-error");
  }
  await eventually(() => assertEquals(pair.server.stats().active, 0));
});

function unreadable(): never {
  throw new Error("nobody may read this");
}

Deno.test("RpcServer gives a handler what it may know of its call", async () => {
  const contexts: unknown[] = [];
  await using pair = await startPair({
    look(_input: unknown, { procedure, correlationId, redeliveries, deadline, signal }) {
      contexts.push([procedure, correlationId, redeliveries, typeof deadline, signal.aborted]);
    },
  });
  await ask(pair, "1", { correlationId: "a" }).catch(() => {});
  const id = pair.client.callAsync("look", 1, () => {});
  await eventually(() => assertEquals(contexts.length, 2));
  assertEquals(contexts, [
    ["look", "a", 0, "undefined", false],
    ["look", id, 0, "number", false],
  ]);
});

Deno.test("RpcServer counts and acknowledges when the caller is gone", async () => {
  const gate = Promise.withResolvers<number>();
  await using pair = await startPair({ wait: () => gate.promise });
  {
    await using peer = await AmqpPeer.open();
    await peer.send(pair.queue, "", { replyTo: peer.replyQueue, correlationId: "1" });
    await eventually(() => assertEquals(pair.server.stats().active, 1));
  }
  gate.resolve(1);
  await eventually(() => assertEquals(pair.server.stats().orphaned, 1));
  assert(
    pair.serverEvents.some((event) => event.type === "served" && event.outcome === "orphaned"),
  );
  await pair.server.close();
  await using peer = await AmqpPeer.open();
  assertEquals(await peer.countMessages(pair.queue), 0);
});

Deno.test("RpcServer does not run a request whose deadline has passed", async () => {
  let runs = 0;
  await using pair = await startPair({ count: () => runs++ });
  await using peer = await AmqpPeer.open();
  const headers = { "rpc-deadline": Date.now() - 3_600_000 };
  await peer.send(pair.queue, "", { replyTo: peer.replyQueue, headers });
  await eventually(() => assertEquals(pair.server.stats().expired, 1));
  assertEquals([runs, await peer.countMessages(peer.replyQueue)], [0, 0]);
  await pair.server.close();
  assertEquals(await peer.countMessages(pair.queue), 0);
});

Deno.test("RpcServer ignores a deadline header that is no number", async () => {
  await using pair = await startPair(echo);
  for (const deadline of ["yesterday", true, { a: 1 }, [1], null]) {
    const headers = { "rpc-deadline": deadline, "rpc-attempt": "x", "x-delivery-count": "many" };
    assertEquals((await ask(pair, "1", { headers })).value, 1);
  }
});
