import { Buffer } from "node:buffer";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import type { CallContext } from "../../mod.ts";
import { RpcClient, RpcError } from "../../mod.ts";
import clientVectors from "../vectors/client.json" with { type: "json" };
import requestVectors from "../vectors/requests.json" with { type: "json" };
import serverVectors from "../vectors/server.json" with { type: "json" };
import { AmqpPeer, nextOf, type PeerMessage } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { startPair } from "../helpers/pair.ts";

/** A message as the files have it. */
interface VectorMessage {
  readonly type?: string;
  readonly contentType?: string;
  readonly correlationId?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly body?: string;
  readonly base64?: string;
  /** Members that the body must have, in any order, beside others. */
  readonly json?: Readonly<Record<string, unknown>>;
}

/** What a client makes of the messages of a server. */
interface ClientVector {
  readonly name: string;
  readonly messages: readonly VectorMessage[];
  readonly output?: unknown;
  readonly error?: Readonly<Record<string, unknown>>;
}

const handlers = {
  echo: (input: unknown) => input,
  fail: () => {
    const error = Object.assign(new RangeError("Cannot do it"), { code: "NOT_TODAY" });
    throw Object.assign(error, { details: { until: 7 } });
  },
  tenant: (_input: unknown, context: CallContext) => {
    const { tenant } = context.headers;
    context.setReplyHeader("served-for", String(tenant));
    return tenant;
  },
};

function bodyOf({ body = "", base64 }: VectorMessage): Buffer {
  return base64 === undefined ? Buffer.from(body) : Buffer.from(base64, "base64");
}

function propertiesOf({ body: _1, base64: _2, json: _3, ...properties }: VectorMessage) {
  return properties;
}

function assertMessage({ properties, content }: PeerMessage, expected: VectorMessage): void {
  for (const name of ["type", "contentType", "correlationId"] as const) {
    if (expected[name] !== undefined) assertEquals(properties[name], expected[name]);
  }
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    assertEquals(properties.headers?.[name], value, name);
  }
  if (expected.json === undefined) return assertEquals(content, bodyOf(expected));
  const value = JSON.parse(content.toString());
  for (const [name, member] of Object.entries(expected.json)) assertEquals(value[name], member);
}

Deno.test("RpcServer answers as tests/vectors/server.json has it", async (t) => {
  const server = { defaultProcedure: "echo" };
  await using pair = await startPair(handlers as never, { server });
  await using peer = await AmqpPeer.open();
  const vectors: readonly { name: string; request: VectorMessage; reply: VectorMessage }[] =
    serverVectors;
  for (const { name, request, reply } of vectors) {
    await t.step(name, async () => {
      const message = await peer.request(pair.queue, bodyOf(request), propertiesOf(request));
      assertMessage(message, reply);
    });
  }
  await t.step("control messages of a later version are ignored", async () => {
    const later = { type: "later", correlationId: "1", headers: { "rpc-later": true } };
    await peer.publish("rpc.control", pair.queue, "?", later);
    assertEquals((await peer.request(pair.queue, "1")).content.toString(), "1");
  });
});

Deno.test("RpcClient takes replies as tests/vectors/client.json has them", async (t) => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue, log: false });
  for (const { name, messages, output, error } of clientVectors as readonly ClientVector[]) {
    await t.step(name, async () => {
      const call = client.call("echo", null, { timeoutMs: 10_000 }).catch((error) => error);
      const { replyTo, correlationId } = (await nextOf(requests)).properties;
      for (const message of messages) {
        const properties = { correlationId, ...propertiesOf(message) };
        await peer.send(replyTo, bodyOf(message), properties);
      }
      const outcome: unknown = await call;
      if (error === undefined) return assertEquals(outcome, output);
      assert(outcome instanceof RpcError);
      for (const [key, value] of Object.entries(error)) {
        assertEquals(Reflect.get(outcome, key), value, key);
      }
    });
  }
});

Deno.test("RpcClient sends requests as tests/vectors/requests.json has them", async (t) => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue, callerId: "tests" });
  for (const { name, call: { procedure, input, options }, request } of requestVectors) {
    await t.step(name, async () => {
      const call = client.call(procedure, input as never, options);
      const { properties, content } = await nextOf(requests);
      const { correlationId, replyTo, expiration } = properties;
      await peer.send(String(replyTo), "0", { correlationId });
      assertEquals(await call, 0);
      const deadline: unknown = properties.headers?.["rpc-deadline"];
      assert(Number(expiration) > 0 && Number(expiration) <= options.timeoutMs);
      assert(Math.abs(Number(deadline) - Date.now()) <= options.timeoutMs);
      const shown: Record<string, unknown> = { body: content.toString() };
      for (const [key, value] of Object.entries(properties)) {
        if (value !== undefined && key !== "headers") shown[key] = value;
      }
      const text = JSON.stringify({ ...shown, headers: properties.headers })
        .replaceAll(String(correlationId), "<id>").replaceAll(String(replyTo), "<reply queue>")
        .replace(`"expiration":"${expiration}"`, '"expiration":"<at most timeoutMs>"')
        .replace(`"rpc-deadline":${deadline}`, '"rpc-deadline":"<moment>"');
      assertEquals(JSON.parse(text), request);
    });
  }
});
