import { type ChannelModel, connect } from "../../deps/amqplib.ts";
import { assert, assertEquals } from "../../deps/std_assert.ts";
import type { CallContext } from "../../mod.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Pair, startPair } from "../helpers/pair.ts";

const exchangesOf = (queue: string) =>
  ({ [`${queue}.requests`]: "fanout", "rpc.control": "direct" }) as const;
const LIMIT_MS = 20_000;

const handlers = {
  hang: (_: unknown, { signal }: CallContext) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
};

/** Somebody who may do anything. */
async function asAdministrator(work: (model: ChannelModel) => Promise<void>): Promise<void> {
  const model = await connect(brokerUrl(), { noDelay: true });
  try {
    await work(model);
  } finally {
    await model.close();
  }
}

async function deleteExchange(model: ChannelModel, name: string): Promise<void> {
  const channel = await model.createChannel();
  await channel.deleteExchange(name);
  await channel.close();
}

function deleteExchanges({ queue }: Pair): Promise<void> {
  return asAdministrator(async (model) => {
    for (const name of Object.keys(exchangesOf(queue))) await deleteExchange(model, name);
  });
}

function lossesOf(pair: Pair): string[] {
  const events = [...pair.clientEvents, ...pair.serverEvents];
  return events.flatMap((event) =>
    event.type === "returns-unavailable" && event.error instanceof Error
      ? [event.error.message]
      : []
  );
}

/** Whether a cancellation reaches the server, and a request that is dropped its caller. */
async function isWhole({ client, server }: Pair): Promise<boolean> {
  const { cancelled } = server.stats();
  const controller = new AbortController();
  const options = { signal: controller.signal, timeoutMs: 1_500 };
  const hanging = client.call("hang", 1, options).catch(() => {});
  await eventually(() => assertEquals(server.stats().active, 1));
  const immediate = { immediate: true, timeoutMs: 400 };
  const code = await client.call("hang", 1, immediate).catch(({ code }) => code);
  controller.abort();
  await hanging;
  // At the latest its deadline ends it.
  await eventually(() => assertEquals(server.stats().active, 0));
  return code === "no-capacity" && server.stats().cancelled === cancelled + 1;
}

function untilWhole(pair: Pair): Promise<void> {
  return eventually(async () => assert(await isWhole(pair)), LIMIT_MS);
}

Deno.test("Shared exchanges that somebody deletes are there again within seconds", async () => {
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  await untilWhole(pair);
  await deleteExchanges(pair);
  await untilWhole(pair);
  assert(lossesOf(pair).some((message) => message.includes("no exchange '")));
});

Deno.test("A shared exchange that somebody replaces is told of, and used once it is right", async () => {
  await using stack = new AsyncDisposableStack();
  await using pair = await startPair(handlers, { server: { prefetch: 1 } });
  // Whatever becomes of this test, others get the right ones.
  stack.defer(() => deleteExchanges(pair));
  await asAdministrator(async (model) => {
    for (const [name, type] of Object.entries(exchangesOf(pair.queue))) {
      await deleteExchange(model, name);
      const channel = await model.createChannel();
      channel.on("error", () => {});
      // Others may be faster: then theirs is right.
      await channel.assertExchange(name, "topic").then(() => channel.close(), () => {});
      await eventually(() => {
        assert(lossesOf(pair).some((message) => message.includes(`'type' for exchange '${name}'`)));
      }, LIMIT_MS);
      await deleteExchange(model, name);
      const repaired = await model.createChannel();
      await repaired.assertExchange(name, type);
      await repaired.close();
      await untilWhole(pair);
    }
  });
});
