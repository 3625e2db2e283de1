import { fc } from "../../../deps/fast_check.ts";
import { assert, assertEquals, assertFalse } from "../../../deps/std_assert.ts";
import type { AmqpProperties, AmqpPublish } from "../../../internal/broker/amqp.ts";
import { MAX_CREDITS } from "../../../internal/encoded_reply.ts";
import {
  isErrorReply,
  type OutgoingReply,
  type OutgoingRequest,
  readCallback,
  readControl,
  readRequestEnvelope,
  replyMessage,
  requestMessage,
} from "../../../internal/protocol/envelope.ts";

interface MessageParts extends Partial<OutgoingRequest> {
  readonly attempt?: number;
  readonly replyTo?: string | undefined;
}

/** The message of a request of which only some parts matter. */
function messageOf(parts: MessageParts): AmqpPublish {
  const { attempt, replyTo } = { attempt: 0, replyTo: "replies", ...parts };
  const request = {
    queue: "math",
    procedure: "add",
    body: "1",
    contentType: "application/json",
    correlationId: "id",
    deadline: Date.now() + 60_000,
    immediate: false,
    ...parts,
  };
  // Whatever else a request may say is as good as absent here.
  return requestMessage(request as OutgoingRequest, attempt, { replyTo, exchange: undefined });
}

Deno.test("readRequestEnvelope() reads what requestMessage() wrote", () => {
  const text = fc.string({ minLength: 1, maxLength: 50 });
  const parts = fc.record({
    procedure: text,
    contentType: text,
    correlationId: text,
    replyTo: fc.option(text, { nil: undefined }),
    deadline: fc.option(fc.integer(), { nil: undefined }),
  });
  fc.assert(fc.property(parts, (request) => {
    const read = readRequestEnvelope(messageOf(request).properties);
    for (const [name, value] of Object.entries(request)) {
      assertEquals(Reflect.get(read, name), value, name);
    }
  }));
});

Deno.test("requestMessage() sets an expiration that the broker takes", () => {
  const deadlines = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
  fc.assert(fc.property(deadlines, (offset) => {
    fc.pre(Math.abs(offset) < 2 ** 31);
    const { properties } = messageOf({ deadline: Date.now() + offset });
    assert(/^\d{1,10}$/.test(properties.expiration ?? ""), properties.expiration);
  }));
  const { properties } = messageOf({ deadline: undefined, replyTo: undefined });
  assertEquals([properties.expiration, properties.replyTo], [undefined, undefined]);
});

Deno.test("requestMessage() says the attempt from the second on", () => {
  const headerOf = (attempt: number) => messageOf({ attempt }).properties.headers?.["rpc-attempt"];
  assertEquals([headerOf(0), headerOf(1), headerOf(7)], [undefined, 1, 7]);
});

Deno.test("requestMessage() tells the broker no other order than the pool's", () => {
  const priorityOf = (priority: number | undefined) => {
    const { properties } = messageOf({ priority });
    return [properties.priority, properties.headers?.["rpc-priority"]];
  };
  // To a quorum queue of RabbitMQ 4.3, a message without a priority has 4.
  assertEquals([undefined, 0].map(priorityOf), [[undefined, undefined], [undefined, undefined]]);
  assertEquals([1, 5, 9].map(priorityOf), [[5, 1], [9, 5], [13, 9]]);
});

Deno.test("readRequestEnvelope() reads a caller's priority, and a stranger's", () => {
  for (const priority of [1, 9]) {
    assertEquals(readRequestEnvelope(messageOf({ priority }).properties).priority, priority);
  }
  assertEquals(readRequestEnvelope(messageOf({ priority: 0 }).properties).priority, undefined);
  // Clients by other hands, and ours before, say it in the property alone.
  assertEquals(readRequestEnvelope({ priority: 7 }).priority, 7);
  for (const odd of ["9", -1, 10, 1.5, NaN, null]) {
    const { priority } = readRequestEnvelope({ priority: 7, headers: { "rpc-priority": odd } });
    assertEquals(priority, 7, String(odd));
  }
});

Deno.test("readRequestEnvelope() takes whatever a stranger wrote", () => {
  const headers = fc.dictionary(
    fc.constantFrom("rpc-deadline", "rpc-attempt", "rpc-callback", "x-death"),
    fc.anything(),
  );
  const properties = fc.record({
    headers,
    type: fc.string(),
    contentType: fc.string(),
    replyTo: fc.string(),
    expiration: fc.string(),
    messageId: fc.string(),
    correlationId: fc.string(),
  }, { requiredKeys: [] });
  fc.assert(fc.property(properties, (received) => {
    const { procedure, replyTo, deadline } = readRequestEnvelope(received as AmqpProperties);
    assert(procedure !== "" && replyTo !== "");
    assert(deadline === undefined || Number.isFinite(deadline));
  }));
  assertEquals(readRequestEnvelope({}).procedure, undefined);
});

Deno.test("replyMessage() is mandatory, except to a direct reply-to address", () => {
  const reply = { type: "output", body: "1", contentType: "application/json" } as const;
  const messageTo = (replyTo: string) =>
    replyMessage({ correlationId: "id", replyTo, callback: undefined }, reply);
  assert(messageTo("replies").mandatory);
  assert(messageTo("amq.gen-x").mandatory);
  assertFalse(messageTo("amq.rabbitmq.reply-to.g1h2AA5yZXBseUAx").mandatory);
  assertEquals(messageTo("replies").routingKey, "replies");
  assertEquals(messageTo("replies").properties.correlationId, "id");
});

Deno.test("replyMessage() names the callback in the last reply alone", () => {
  const address = { correlationId: "id", replyTo: "replies", callback: "mine" };
  const reply = { body: "1", contentType: "application/json", seq: 1 };
  const callbackIn = (type: OutgoingReply["type"]) =>
    readCallback(replyMessage(address, { ...reply, type }).properties);
  assertEquals((["output", "error", "end"] as const).map(callbackIn), ["mine", "mine", "mine"]);
  assertEquals((["item", "progress"] as const).map(callbackIn), [undefined, undefined]);
});

Deno.test("isErrorReply() takes a reply without type for an output", () => {
  assertEquals([{}, { type: "output" }, { type: "error" }].map(isErrorReply), [false, false, true]);
});

Deno.test("readControl() takes no more credits than a handler should yield at once", () => {
  const headers = { "rpc-credits": 1e12 };
  const control = readControl({ type: "credit", correlationId: "id", headers });
  assertEquals(control, { type: "credit", correlationId: "id", count: MAX_CREDITS });
  assertEquals(readRequestEnvelope({ headers }).credits, MAX_CREDITS);
  assertEquals(readRequestEnvelope({ headers: { "rpc-credits": -1 } }).credits, undefined);
});
