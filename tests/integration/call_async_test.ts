import { type CallResult, RpcClient, RpcError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "../../deps/std_assert.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const UUID_V7_REGEXP = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

/** Waits for what the callback of one call gets. */
function resultOf(
  { client }: Pick<Pair, "client">,
  ...[procedure, input, options]: [string, unknown?, { timeoutMs?: number; signal?: AbortSignal }?]
): Promise<CallResult<unknown>> {
  return new Promise((resolve) => client.callAsync(procedure, input, resolve, options));
}

Deno.test("RpcClient.callAsync() hands the output to the callback", async () => {
  await using pair = await startPair({ double: (n: number) => 2 * n });
  assertEquals(await resultOf(pair, "double", 21), { ok: true, output: 42 });
  assertEquals(pair.client.pending, 0);
});

Deno.test("RpcClient.callAsync() returns its id before the callback runs", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const results: CallResult<unknown>[] = [];
  const ids = [1, 2].map((n) => pair.client.callAsync("echo", n, (result) => results.push(result)));
  assertEquals(results, []);
  for (const id of ids) assertMatch(id, UUID_V7_REGEXP);
  assertEquals(new Set(ids).size, 2);
  await eventually(() => assertEquals(results.length, 2));
});

Deno.test("RpcClient.callAsync() hands every kind of error to the callback", async () => {
  await using pair = await startPair({
    fail() {
      throw new RangeError("Cannot");
    },
    hang: () => new Promise(() => {}),
  });
  const codeOf = async (...args: [string, unknown?, { timeoutMs?: number }?]) => {
    const result = await resultOf(pair, ...args);
    assertFalse(result.ok);
    assertInstanceOf(result.error, RpcError);
    return result.error.code;
  };
  assertEquals(await codeOf("fail"), "handler-error");
  assertEquals(await codeOf("missing"), "unknown-procedure");
  assertEquals(await codeOf("hang", 1, { timeoutMs: 20 }), "timeout");
  assertEquals(await codeOf("fail", () => {}), "unencodable");
  await pair.server.close({ graceMs: 0 });
  await pair.client.close();
  assertEquals(await codeOf("fail"), "closed");
});

Deno.test("RpcClient.callAsync() hands a signal's reason to the callback", async () => {
  await using pair = await startPair({ hang: () => new Promise(() => {}) });
  const controller = new AbortController();
  const result = resultOf(pair, "hang", 1, { signal: controller.signal });
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  const reason = new Error("enough");
  controller.abort(reason);
  const { ok, error } = await result as CallResult<unknown> & { ok: false };
  assertFalse(ok);
  assertStrictEquals(error, reason);
  await pair.server.close({ graceMs: 0 });
});

Deno.test("RpcClient.callAsync() runs the callback once for two replies", async () => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const results: CallResult<unknown>[] = [];
  client.callAsync("add", 1, (result) => results.push(result));
  const { replyTo, correlationId } = (await nextOf(requests)).properties;
  await peer.send(replyTo, "1", { correlationId });
  await peer.send(replyTo, "2", { correlationId });
  await eventually(() => assertEquals(client.stats().duplicateReplies, 1));
  assertEquals(results, [{ ok: true, output: 1 }]);
});

Deno.test("RpcClient.callAsync() reports a callback that throws or rejects", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  const thrown = new Error("a bug of the caller");
  const throwing = pair.client.callAsync("echo", 1, () => {
    throw thrown;
  });
  const rejecting = pair.client.callAsync("echo", 2, () => Promise.reject(thrown));
  const failures = () => pair.clientEvents.filter(({ type }) => type === "callback-failed");
  await eventually(() => assertEquals(failures().length, 2));
  assertEquals(failures(), [
    { type: "callback-failed", correlationId: throwing, error: thrown },
    { type: "callback-failed", correlationId: rejecting, error: thrown },
  ]);
  assertEquals(await pair.client.call("echo", 3), 3);
});

Deno.test("RpcClient.callAsync() refuses a callback that is no function", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  // JavaScript callers have no compiler to tell them.
  const callAsync = pair.client.callAsync.bind(pair.client) as (...args: unknown[]) => string;
  const rule = 'Cannot call as "callback" must be a function or the name of a registered callback';
  for (const callback of [undefined, null, 5]) {
    const message = `${rule}: current value is ${callback}`;
    assertThrows(() => callAsync("echo", 1, callback), TypeError, message);
  }
  assertEquals(pair.client.pending, 0);
});

Deno.test("RpcClient.cancel() takes the callback out and drops the reply", async () => {
  const gate = Promise.withResolvers<void>();
  await using pair = await startPair({ wait: () => gate.promise });
  let runs = 0;
  const id = pair.client.callAsync("wait", 1, () => runs++);
  await eventually(() => assertEquals(pair.server.stats().active, 1));
  assert(pair.client.cancel(id));
  assertFalse(pair.client.cancel(id));
  assertEquals(pair.client.pending, 0);
  gate.resolve();
  await eventually(() => assertEquals(pair.client.stats().lateReplies, 1));
  assertEquals(runs, 0);
});

Deno.test("RpcClient.cancel() says that a finished call is not waiting", async () => {
  await using pair = await startPair({ echo: (value: unknown) => value });
  let id = "";
  await new Promise((resolve) => id = pair.client.callAsync("echo", 1, resolve));
  assertFalse(pair.client.cancel(id));
  assertFalse(pair.client.cancel("no such id"));
});

Deno.test("RpcClient.cancel() works from within another call's callback", async () => {
  const gate = Promise.withResolvers<void>();
  await using pair = await startPair({ echo: (v: unknown) => v, wait: () => gate.promise });
  let runs = 0;
  const waiting = pair.client.callAsync("wait", 1, () => runs++);
  await new Promise<void>((resolve) =>
    pair.client.callAsync("echo", 1, () => {
      assert(pair.client.cancel(waiting));
      resolve();
    })
  );
  gate.resolve();
  await eventually(() => assertEquals(pair.client.stats().lateReplies, 1));
  assertEquals([runs, pair.client.pending], [0, 0]);
});
