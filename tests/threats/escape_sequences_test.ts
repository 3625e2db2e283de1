import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { isPrintable } from "../../internal/text.ts";
import { RpcClient, RpcError, RpcRemoteError, type RpcServerEvent } from "../../mod.ts";
import { AmqpPeer, nextOf } from "../helpers/amqp_peer.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { startPair } from "../helpers/pair.ts";

/** Clears the screen, in 7 and 8 bits, turns the text around, and begins a line of its own. */
const EVIL = "\x1b[2J\u009b2J\u202e\r";

/** All texts of a value, those of errors included. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (value instanceof Error) return textsOf([value.message, value.cause, { ...value }]);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function assertPrintable(value: unknown): void {
  for (const text of textsOf(value)) assert(isPrintable(text), JSON.stringify(text));
}

Deno.test("Threat: no escape sequence reaches who looks after parked requests", async () => {
  const events: RpcServerEvent[] = [];
  await using pair = await startPair({ echo: (value: unknown) => value }, {
    server: { onEvent: (event) => events.push(event) },
  });
  await using peer = await AmqpPeer.open();
  const odd = { type: EVIL, contentType: EVIL, correlationId: EVIL, messageId: EVIL };
  await peer.send(pair.queue, "1", { ...odd, replyTo: EVIL });
  const forged = { "rpc-parked-id": EVIL, "rpc-parked-reason": EVIL, "rpc-parked-message": EVIL };
  await eventually(() => assertEquals(pair.server.stats().parked, 1));
  await peer.send(`${pair.queue}.parked`, EVIL, { ...odd, headers: forged });
  await using parked = await ParkedRequests.open(brokerUrl(), { queue: pair.queue });
  const requests = await parked.list();
  assertEquals(requests.length, 2);
  assertPrintable(requests);
  assertPrintable(events);
  for (const { id } of requests) assertEquals((await parked.inspect(id))?.id, id);
  const body = { replyTo: peer.replyQueue, type: "echo", contentType: "application/json" };
  await peer.send(pair.queue, EVIL, body);
  assertPrintable(JSON.parse((await peer.nextReply()).content.toString()));
});

/** A client, and a server that answers with this. */
async function errorOf(answer: string, properties: Record<string, string>): Promise<RpcError> {
  await using peer = await AmqpPeer.open();
  const queue = await peer.declareQueue();
  const requests = await peer.messages(queue);
  await using client = await RpcClient.connect(brokerUrl(), { queue });
  const failed = assertRejects(() => client.call("add", 1), RpcError);
  const { replyTo, correlationId } = (await nextOf(requests)).properties;
  await peer.send(replyTo, answer, { correlationId, ...properties });
  return await failed;
}

Deno.test("Threat: no escape sequence of a server reaches who reads its errors", async () => {
  const { name, message, code, stack } = {
    name: `Name${EVIL}`,
    message: `first\n\tsecond${EVIL}`,
    code: `code${EVIL}`,
    stack: `at\n${EVIL}`,
  };
  const body = JSON.stringify({ name, message, code, stack });
  const error = await errorOf(body, { type: "error" });
  assert(error instanceof RpcRemoteError);
  const { remoteName, remoteStack } = error;
  assertPrintable([remoteName, error.code, error.message.replace("\n\t", "")]);
  assertPrintable(remoteStack?.replace("\n", ""));
  assert(error.message.startsWith("first\n\tsecond\\u{1b}[2J"));
  assertPrintable(await errorOf(JSON.stringify(EVIL), { type: "error" }));
  assertPrintable(await errorOf(EVIL, {}));
  assertPrintable(await errorOf("1", { contentType: EVIL }));
});
