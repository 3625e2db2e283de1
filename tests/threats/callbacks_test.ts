import { assert, assertEquals } from "../../deps/std_assert.ts";
import { isPrintable } from "../../internal/text.ts";
import { RpcClient, type RpcClientEvent, RpcServer } from "../../mod.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { brokerUrl, deleteQueue, randomQueue } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

const KEYS = ["a secret of this client"];

/** A client with a named callback, its server, and somebody else who knows all names. */
async function startVictim(stack: AsyncDisposableStack) {
  const [queue, name] = [randomQueue(), randomQueue()];
  const replyQueue = `rpc.replies.${name}`;
  for (const each of [queue, replyQueue]) stack.defer(() => deleteQueue(each));
  const handlers = { echo: (value: unknown) => value };
  stack.use(await RpcServer.listen(brokerUrl(), { log: false, queue, handlers }));
  const evil = stack.use(await AmqpPeer.open());
  const events: RpcClientEvent[] = [];
  const client = stack.use(
    await RpcClient.connect(brokerUrl(), {
      queue,
      replyQueue: { name },
      callbackKeys: KEYS,
      onEvent: (event) => events.push(event),
    }),
  );
  const runs: unknown[] = [];
  client.registerCallback("markPaid", (result) => runs.push(result));
  const refused = () =>
    events.filter((event) => event.type === "callback-refused").map(({ correlationId, error }) => {
      assert(isPrintable(correlationId) && isPrintable(error.message));
      return error.code;
    }).length;
  return { queue, replyQueue, evil, client, runs, refused };
}

function ticketFor(name: string): string {
  const call = { procedure: "charge", queue: "math", immediate: false, startedAt: 0 };
  const ticket = { id: "made-up", name, context: { amount: 0 }, expiresAt: Date.now() + 60_000 };
  return JSON.stringify({ ...ticket, ...call });
}

Deno.test("Threat: nobody else runs the callback of a client", async () => {
  await using stack = new AsyncDisposableStack();
  const { queue, replyQueue, evil, runs, refused } = await startVictim(stack);
  const ticket = ticketFor("markPaid");
  const forged = [ticket, `${"A".repeat(43)}.${ticket}`, `.${ticket}`];
  for (const text of forged) {
    const properties = { correlationId: "made-up\x1b[2J", headers: { "rpc-callback": text } };
    await evil.send(replyQueue, '{"paid":true}', { ...properties, type: "output" });
    // The same through the server.
    await evil.send(queue, "true", { ...properties, type: "echo", replyTo: replyQueue });
  }
  await eventually(() => assertEquals(refused(), 2 * forged.length));
  assertEquals(runs, []);
});

Deno.test("Threat: replies for callbacks that nobody registers do not stop a client", async () => {
  await using stack = new AsyncDisposableStack();
  const { replyQueue, evil, client, refused } = await startVictim(stack);
  for (let n = 0; n < 300; n++) {
    const headers = { "rpc-callback": ticketFor(`nobody${n}`) };
    await evil.send(replyQueue, "1", { correlationId: "made-up", type: "output", headers });
  }
  assertEquals(await client.call("echo", 1, { timeoutMs: 5_000 }), 1);
  await eventually(() => assertEquals(refused(), 300));
});

Deno.test("Threat: a reply that was seen once is not run for another call", async () => {
  await using stack = new AsyncDisposableStack();
  const { queue, replyQueue, evil, client, runs, refused } = await startVictim(stack);
  const requests = await evil.declareQueue();
  const spied = await RpcClient.connect(brokerUrl(), {
    queue: requests,
    replyQueue: { name: requests },
    callbackKeys: KEYS,
  });
  stack.defer(() => deleteQueue(`rpc.replies.${requests}`));
  spied.registerCallback("markPaid", () => {});
  spied.callAsync("charge", 1, "markPaid");
  const { value } = await (await evil.messages(requests)).next();
  const { correlationId, headers } = value.properties;
  await spied.close();
  // To another queue, and for another call.
  await evil.send(replyQueue, "1", { correlationId, headers, type: "output" });
  await evil.send(replyQueue, "1", { correlationId: "other", headers, type: "output" });
  await eventually(() => assertEquals(refused(), 2));
  assertEquals([runs, await client.call("echo", queue)], [[], queue]);
});
