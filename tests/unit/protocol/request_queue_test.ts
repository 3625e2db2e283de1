import { type Durability, RpcError, RpcServer, type RpcServerEvent } from "../../../mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../../../deps/std_assert.ts";
import type { AmqpConnection, AmqpQueueOptions } from "../../../internal/broker/amqp.ts";
import { declareRequestQueue } from "../../../internal/protocol/request_queue.ts";
import { TestBroker } from "../../../testing/mod.ts";

const handlers = { echo: (value: unknown) => value };

/** What a queue is declared with where nothing refuses it. */
async function declaredFor(durability: Durability): Promise<AmqpQueueOptions | undefined> {
  let declared: AmqpQueueOptions | undefined;
  const declareQueue = (_name: string, options: AmqpQueueOptions) => {
    declared = options;
    return Promise.resolve("math");
  };
  // The declaration uses no more of a connection than this.
  const connection = {
    onOwnChannel: (work: (channel: unknown) => Promise<unknown>) => work({ declareQueue }),
  } as Partial<AmqpConnection> as AmqpConnection;
  await declareRequestQueue(connection, {
    queue: "math",
    durability,
    returns: false,
    declare: true,
  });
  return declared;
}

Deno.test("declareRequestQueue() leaves no queue type to the virtual host's default", async () => {
  const typeOf = async (durability: Durability) =>
    (await declaredFor(durability))?.arguments?.["x-queue-type"];
  assertEquals(await typeOf("replicated"), "quorum");
  assertEquals(await typeOf("durable"), "classic");
});

Deno.test("RpcServer.listen() says that the broker denies transient queues", async () => {
  await using broker = await TestBroker.start({ compat: "4.3" });
  const events: RpcServerEvent[] = [];
  const onEvent = (event: RpcServerEvent) => events.push(event);
  const options = { queue: "math", handlers, durability: "transient", onEvent } as const;
  const error = await assertRejects(() => RpcServer.listen(broker.url, options), RpcError);
  assertEquals([error.code, error.retryable], ["misconfigured", false]);
  assertStringIncludes(error.message, 'the broker denies durability "transient": set "replicated"');
  assertStringIncludes(error.message, "deprecated_features.permit.transient_nonexcl_queues = true");
  // The connection was lost by the first declaration: no other was tried.
  assertEquals(events.filter(({ type }) => type !== "connected"), []);
});
