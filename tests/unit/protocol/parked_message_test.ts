import { assert, assertEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { AmqpProperties } from "../../../internal/broker/amqp.ts";
import { readRequestEnvelope } from "../../../internal/protocol/envelope.ts";
import {
  parkedMessage,
  readParked,
  redrivenMessage,
} from "../../../internal/protocol/parked_message.ts";
import { isShortText } from "../../../internal/text.ts";

const body = new Uint8Array([1, 2, 3]);

/** A request with everything that a client, or anybody, can say. */
const properties: AmqpProperties = {
  appId: "shop",
  contentEncoding: "identity",
  contentType: "application/msgpack",
  correlationId: "id",
  deliveryMode: 1,
  expiration: "1000",
  headers: {
    "rpc-deadline": 7,
    "rpc-reply-to": "amq.gen-x",
    "rpc-attempt": 1,
    "rpc-idempotent": false,
    "rpc-callback": "ticket",
    "rpc-credits": 5,
    "rpc-parked-reason": "forged",
    "x-death": [{ reason: "expired" }],
    "x-delivery-count": 2,
    "x-mine": "kept",
    traceparent: "kept",
    BCC: ["elsewhere"],
    CC: ["elsewhere"],
  },
  messageId: "key",
  priority: 3,
  replyTo: "amq.gen-x",
  timestamp: 1_700_000_000,
  type: "add",
  userId: "guest",
};

const CRASHED = {
  error: new RpcError("worker-crashed", "Cannot go on as the worker died"),
  deliveries: 3,
};

function park(parts: Partial<AmqpProperties> = {}, withHeaders = true, reason = CRASHED) {
  const message = { id: "parked", queue: "math", body, reason, withHeaders };
  return parkedMessage({ ...message, properties: { ...properties, ...parts } });
}

Deno.test("redrivenMessage() asks for the reply that a durable queue did not get", () => {
  const parts = { replyTo: "rpc.replies.billing" };
  const undelivered = { error: new RpcError("orphaned", "Cannot"), deliveries: 1 };
  const [lost, crashed] = [park(parts, true, undelivered), park(parts)].map(({ properties }) =>
    redrivenMessage("math", "new", { properties, body }).properties
  );
  assertEquals([lost?.replyTo, lost?.correlationId], ["rpc.replies.billing", "id"]);
  assertEquals(lost?.headers?.["rpc-callback"], "ticket");
  assertEquals([crashed?.replyTo, crashed?.correlationId], [undefined, "new"]);
  assertEquals(crashed?.headers?.["rpc-callback"], undefined);
});

Deno.test("parkedMessage() keeps a request, but for what expires or is sent on", () => {
  const { routingKey, mandatory, properties: kept } = park();
  assertEquals([routingKey, mandatory], ["math.parked", true]);
  const { headers = {}, ...rest } = kept;
  const { expiration: _, userId: __, headers: ___, ...expected } = properties;
  assertEquals(rest, { ...expected, deliveryMode: 2 });
  for (const name of ["CC", "BCC", "x-death", "x-delivery-count"]) assert(!(name in headers), name);
  assertEquals([headers["x-mine"], headers["rpc-callback"]], ["kept", "ticket"]);
  assertEquals([headers["rpc-parked-reason"], headers["rpc-parked-user-id"]], [
    "worker-crashed",
    "guest",
  ]);
});

Deno.test("parkedMessage() without headers says that they are missing", () => {
  const { headers = {} } = park({}, false).properties;
  assertEquals([headers["rpc-parked-complete"], headers["x-mine"]], [false, undefined]);
  assertEquals(headers["rpc-parked-deliveries"], 3);
});

Deno.test("parkedMessage() never replies to the bare direct reply-to", () => {
  assertEquals(park({ replyTo: "amq.rabbitmq.reply-to" }).properties.replyTo, undefined);
});

Deno.test("parkedMessage() has no property that AMQP cannot carry", () => {
  const grown = "\ufffd".repeat(255);
  const names = ["appId", "contentType", "correlationId", "messageId", "replyTo", "type"] as const;
  for (const name of names) {
    const { [name]: text = "" } = park({ [name]: grown }).properties;
    assert(text !== "" && isShortText(text), name);
  }
});

Deno.test("readParked() reads what parkedMessage() wrote", () => {
  const { parkedAt, ...rest } = readParked(park().properties, body);
  assert(parkedAt !== undefined && Math.abs(parkedAt - Date.now()) < 60_000);
  assertEquals(rest, {
    id: "parked",
    reason: "worker-crashed",
    message: "Cannot go on as the worker died",
    procedure: "add",
    deliveries: 3,
    correlationId: "id",
    contentType: "application/msgpack",
    bytes: 3,
    isStream: true,
  });
});

Deno.test("readParked() reads a request that others have dead-lettered", () => {
  const { id, reason, procedure } = readParked({
    type: "add",
    headers: { "x-death": [{ reason: "maxlen" }] },
  }, body);
  assertEquals([id, reason, procedure], [undefined, "maxlen", "add"]);
  assertEquals(readParked({}, body).reason, "unknown");
});

Deno.test("redrivenMessage() makes a notification with the same key", () => {
  const again = redrivenMessage("math", "new", { ...park(), body });
  const { headers, replyTo, expiration, correlationId, messageId, type } = again.properties;
  assertEquals([again.routingKey, again.mandatory, again.body], ["math", true, body]);
  assertEquals([replyTo, expiration], [undefined, undefined]);
  assertEquals([correlationId, messageId, type], ["new", "key", "add"]);
  const kept = { "x-mine": "kept", traceparent: "kept" };
  assertEquals(headers, {
    "rpc-idempotency-key": "key",
    "rpc-idempotent": false,
    "rpc-redriven": true,
    ...kept,
  });
  const request = readRequestEnvelope(again.properties);
  assertEquals([request.deadline, request.credits, request.idempotent], [
    undefined,
    undefined,
    false,
  ]);
});

Deno.test("redrivenMessage() keeps the key that a call of ours has without saying so", () => {
  const keyOf = (parked: AmqpProperties) =>
    readRequestEnvelope(
      redrivenMessage("math", "new", { properties: parked, body }).properties,
    ).idempotencyKey;
  assertEquals(keyOf(park({ messageId: undefined }).properties), "id");
  assertEquals(keyOf(park({ messageId: undefined, headers: {} }).properties), undefined);
  assertEquals(keyOf(park({ messageId: "1", headers: {} }).properties), undefined);
});

Deno.test("redrivenMessage() keeps whose key it is", () => {
  const headers = { "rpc-idempotency-key": "order", "rpc-caller": "billing" };
  const { properties } = park({ headers });
  const again = readRequestEnvelope(
    redrivenMessage("math", "new", { properties, body }).properties,
  );
  assertEquals([again.idempotencyKey, again.isKeyed, again.caller], ["order", true, "id billing"]);
});

Deno.test("redrivenMessage() has the priority of the request that was parked", () => {
  const message = { body, properties: { priority: 9, headers: { "rpc-priority": 5 } } };
  const { properties } = redrivenMessage("math", "new", message);
  assertEquals([properties.priority, readRequestEnvelope(properties).priority], [9, 5]);
});
