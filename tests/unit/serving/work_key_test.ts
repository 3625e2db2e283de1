import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import type { AmqpProperties } from "../../../internal/broker/amqp.ts";
import { RpcError } from "../../../errors.ts";
import { readRequestEnvelope } from "../../../internal/protocol/envelope.ts";
import { type KeyScope, WorkKey } from "../../../internal/serving/keys/work_key.ts";

interface Work {
  readonly body?: string;
  readonly scope?: KeyScope;
}

function keyOf(properties: AmqpProperties, { body = "1", scope = "caller" }: Work = {}) {
  return WorkKey.of({
    procedure: "pay",
    request: readRequestEnvelope({ correlationId: "id", replyTo: "amq.gen-1", ...properties }),
    body: new TextEncoder().encode(body),
    scope,
  });
}

function headers(key: unknown, caller?: unknown): AmqpProperties {
  return { headers: { "rpc-idempotency-key": key, "rpc-caller": caller } };
}

/** A request as clients of version 0.1.0 send it. */
const OLD = { messageId: "order", headers: { "rpc-deadline": Date.now() + 60_000 } };

Deno.test("WorkKey takes no message id of strangers for a key", () => {
  assertEquals(keyOf({ messageId: "1" }), undefined);
  assertEquals(keyOf({ messageId: "1", correlationId: undefined }), undefined);
  assertEquals(keyOf({ messageId: "1", replyTo: undefined }), undefined);
});

Deno.test("WorkKey takes the message id of an old client for its key", () => {
  assertEquals(keyOf(OLD)?.name, keyOf(headers("order"))?.name);
  const again = keyOf({ ...OLD, messageId: "id" });
  assertEquals([again?.name, again?.input], ["-\npay\nid", undefined]);
});

Deno.test("WorkKey takes no key that no caller of ours can have set", () => {
  for (const key of ["", "x".repeat(256), 7, null, {}]) {
    assertEquals(keyOf(headers(key)), undefined);
  }
});

Deno.test("WorkKey keeps the keys of callers apart unless its scope is the queue", () => {
  const callers: AmqpProperties[] = [
    headers("order"),
    headers("order", "a"),
    headers("order", "b"),
    headers("order", "user a"),
    { ...headers("order", "b"), userId: "a" },
    headers("order", "a\npay"),
  ];
  assertEquals(new Set(callers.map((caller) => keyOf(caller)?.name)).size, callers.length);
  const all = callers.map((caller) => keyOf(caller, { scope: "queue" })?.name);
  assertEquals(new Set(all).size, 1);
});

Deno.test("WorkKey knows a caller by its checked user, whatever it says itself", () => {
  const names = ["b", "c"].map((id) => keyOf({ ...headers("order", id), userId: "a" })?.name);
  assertEquals(names[0], names[1]);
  const replyTo = ["amq.gen-1", "amq.gen-2"].map((replyTo) =>
    keyOf({ ...headers("order", "a"), replyTo })?.name
  );
  assertEquals(replyTo[0], replyTo[1]);
});

Deno.test("WorkKey.requireSame() refuses another input with the same key", () => {
  const key = keyOf(headers("order 7"));
  key?.requireSame(keyOf(headers("order 7", "another"))?.input);
  const others = [
    keyOf(headers("order 7"), { body: "2" }),
    keyOf({ ...headers("order 7"), contentType: "application/msgpack" }),
  ];
  for (const other of others) {
    const error = assertThrows(() => key?.requireSame(other?.input), RpcError, "order 7");
    assertEquals([error.code, error.retryable], ["idempotency-conflict", false]);
  }
});

Deno.test("WorkKey gives no key to a stream", () => {
  const stream = { "rpc-credits": 3, "rpc-idempotency-key": "order" };
  assertEquals(keyOf({ headers: stream }), undefined);
});

Deno.test("WorkKey.parse() finds procedure and key in a name", () => {
  const { name = "" } = keyOf(headers("a\n\u001b", "me")) ?? {};
  assertEquals([WorkKey.isOwn(name), ...WorkKey.parse(name)], [true, "pay", "a\\u{a}\\u{1b}"]);
  assertEquals(WorkKey.isOwn(keyOf({ ...OLD, messageId: "id" })?.name ?? ""), false);
});
