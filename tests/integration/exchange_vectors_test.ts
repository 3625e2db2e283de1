import { Buffer } from "node:buffer";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import type { CallContext, CallOptions } from "../../mod.ts";
import { isRpcError, RpcClient } from "../../mod.ts";
import exchanges from "../vectors/exchanges.json" with { type: "json" };
import { AmqpPeer, nextOf, type PeerMessage } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { startPair } from "../helpers/pair.ts";

type Headers = Readonly<Record<string, unknown>>;

/** A request or a reply, alone or taken out of a batch: by docs/protocol.md, not by our own code. */
interface Part {
  readonly type?: string;
  readonly contentType?: string;
  readonly correlationId: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A request or a reply as the file has it. */
interface VectorPart extends Partial<Part> {
  readonly base64?: string;
  /** Members that the body must have, beside others. */
  readonly json?: Headers;
}

interface ServerVector {
  readonly name: string;
  readonly request: VectorPart;
  readonly replies: readonly VectorPart[];
}

/** A reply to some of a client's calls: alone `of` one, lines, or parts `of` each. */
interface VectorReply extends VectorPart {
  readonly of?: number;
  readonly common?: Headers;
  readonly parts?: readonly {
    readonly of: number;
    readonly own?: Headers;
    readonly body: string;
  }[];
}

interface ClientVector {
  readonly name: string;
  readonly calls: readonly (readonly [procedure: string, input: unknown, options?: CallOptions])[];
  readonly request: { readonly contentType: string; readonly parts: readonly VectorPart[] };
  readonly replies: readonly VectorReply[];
  readonly outcomes: readonly { readonly output?: unknown; readonly code?: string }[];
}

interface OperatorVector {
  readonly name: string;
  readonly question: VectorPart;
  /** Absent if there is to be none. */
  readonly answer?: VectorPart;
}

const LINES = "application/vnd.warren.rpc-plain-batch";
const PARTS = "application/vnd.warren.rpc-batch";
const KNOWS_BATCHES = { "rpc-batches": true };

const handlers = {
  echo: (input: unknown) => input,
  fail: () => {
    throw Object.assign(new RangeError("Cannot do it"), { code: "NOT_TODAY" });
  },
  tenant: (_input: unknown, context: CallContext) => {
    const { tenant } = context.headers;
    context.setReplyHeader("served-for", String(tenant));
    return tenant;
  },
  *count(below: number) {
    for (let n = 0; n < below; n++) yield n;
  },
};

function partsOf({ properties, content }: PeerMessage): Part[] {
  const { type, contentType, headers = {} } = properties;
  const correlationId = String(properties.correlationId);
  if (type === "rpc.batch" && contentType === LINES) return linesOf(correlationId, content);
  if (type === "rpc.batch" && contentType === PARTS) return withHeads(content);
  return [{ type, contentType, correlationId, headers, body: content.toString() }];
}

function linesOf(id: string, content: Buffer): Part[] {
  const [head = "", ...lines] = content.toString().split("\n");
  const { procedures, calls, numbers, replies, first = 0, errors = [] } = JSON.parse(head);
  return lines.map((body, index) => {
    const number = (replies ?? numbers)?.[index] ?? first + index;
    const reply = errors.includes(index) ? "error" : "output";
    return {
      type: procedures === undefined ? reply : procedures[calls?.[index] ?? 0],
      contentType: "application/json",
      correlationId: `${id}.${number}`,
      headers: {},
      body,
    };
  });
}

function withHeads(content: Buffer): Part[] {
  let start = 4 + content.readUInt32BE();
  const { common = {}, parts } = JSON.parse(content.subarray(4, start).toString());
  return parts.map(([correlationId, bytes, own = {}]: [string, number, Headers?]) => ({
    ...common,
    ...own,
    correlationId,
    headers: { ...common.headers, ...Object(own.headers) },
    body: content.subarray(start, start += bytes).toString(),
  }));
}

function assertPart(actual: Part | undefined, expected: VectorPart): void {
  assert(actual !== undefined);
  for (const name of ["type", "contentType", "correlationId"] as const) {
    if (expected[name] !== undefined) assertEquals(actual[name], expected[name]);
  }
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    assertEquals(actual.headers[name], value, name);
  }
  if (expected.json === undefined) return assertEquals(actual.body, expected.body ?? "");
  const members = JSON.parse(actual.body);
  for (const [name, value] of Object.entries(expected.json)) assertEquals(members[name], value);
}

function bodyOf({ body = "", base64 }: VectorPart): Buffer {
  return base64 === undefined ? Buffer.from(body) : Buffer.from(base64, "base64");
}

Deno.test("RpcServer answers exchanges as tests/vectors/exchanges.json has them", async (t) => {
  await using pair = await startPair(handlers as never);
  await using peer = await AmqpPeer.open();
  for (const { name, request, replies } of exchanges.server as readonly ServerVector[]) {
    await t.step(name, async () => {
      const { body: _1, base64: _2, json: _3, ...properties } = request;
      const replyTo = peer.replyQueue;
      await peer.send(pair.queue, bodyOf(request), { ...properties, replyTo });
      const parts: Part[] = [];
      while (parts.length < replies.length) parts.push(...partsOf(await peer.nextReply()));
      // How replies are spread over messages is the server's affair; a stream has an order.
      if (request.type === "rpc.batch") {
        parts.sort((a, b) => a.correlationId < b.correlationId ? -1 : 1);
      }
      assertEquals(parts.length, replies.length);
      for (const [index, reply] of replies.entries()) assertPart(parts[index], reply);
    });
  }
});

/** A message that has some replies, and its properties. */
function messageOf(reply: VectorReply, batch: string, ids: readonly string[]) {
  const { type = "rpc.batch", contentType = "", parts, common } = reply;
  const correlationId = reply.of === undefined ? batch : ids[reply.of] ?? "";
  const properties = { type, contentType, correlationId, headers: KNOWS_BATCHES };
  if (parts === undefined) return { properties, body: bodyOf(reply) };
  const bodies = parts.map(({ body }) => Buffer.from(body));
  const heads = parts.map(({ of, own }, at) => [ids[of], bodies[at]?.length, ...own ? [own] : []]);
  const head = Buffer.from(JSON.stringify({ common, parts: heads }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return { properties, body: Buffer.concat([length, head, ...bodies]) };
}

Deno.test("RpcClient exchanges what tests/vectors/exchanges.json has", async (t) => {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue, batching: true, log: false });
  // Not before it has seen that its server takes batches.
  const first = client.call("hello");
  const { properties: { correlationId, replyTo, headers } } = await nextOf(requests);
  assertEquals(headers?.["rpc-batches"], true);
  await peer.send(replyTo, "1", { correlationId, headers: KNOWS_BATCHES });
  assertEquals(await first, 1);
  const vectors = exchanges.client as unknown as readonly ClientVector[];
  for (const { name, calls, request, replies, outcomes } of vectors) {
    await t.step(name, async () => {
      const settled = Promise.all(
        calls.map(([procedure, input, options]) =>
          client.call(procedure, input, { timeoutMs: 10_000, ...options })
            .then((output) => ({ output }), (error) => ({ code: isRpcError(error) && error.code }))
        ),
      );
      const message = await nextOf(requests);
      const parts = partsOf(message);
      assertEquals(message.properties.contentType, request.contentType);
      assertEquals(parts.length, request.parts.length);
      for (const [index, part] of request.parts.entries()) assertPart(parts[index], part);
      const ids = parts.map(({ correlationId }) => correlationId);
      const batch = String(message.properties.correlationId);
      for (const reply of replies) {
        const { properties, body } = messageOf(reply, batch, ids);
        await peer.send(replyTo, body, properties);
      }
      assertEquals<unknown>(await settled, outcomes);
    });
  }
});

Deno.test("RpcServer answers operators as tests/vectors/exchanges.json has it", async (t) => {
  await using pair = await startPair(handlers as never);
  await using peer = await AmqpPeer.open();
  const ask = ({ body: _1, base64: _2, json: _3, ...properties }: VectorPart, body: Buffer) => {
    const asked = { ...properties, replyTo: peer.replyQueue };
    return peer.publish("rpc.control", pair.queue, body, asked);
  };
  for (const { name, question, answer } of exchanges.operators as readonly OperatorVector[]) {
    await t.step(name, async () => {
      await ask(question, bodyOf(question));
      // What is not answered is passed over by the next answer.
      const next = answer ?? { type: "control-reply", correlationId: "next" };
      if (answer === undefined) await ask({ type: "ping", correlationId: "next" }, Buffer.alloc(0));
      const [part] = partsOf(await peer.nextReply());
      assertEquals([part?.type, part?.correlationId], [next.type, next.correlationId]);
      if (answer !== undefined) assertPart(part, answer);
    });
  }
  assertEquals(pair.server.state.name, "serving");
});
