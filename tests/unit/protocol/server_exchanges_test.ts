import { assertEquals } from "../../../deps/std_assert.ts";
import type { AmqpChannel, AmqpLink } from "../../../internal/broker/amqp.ts";
import { ServerExchanges } from "../../../internal/protocol/server_exchanges.ts";

/** A broker that has lost a queue, and says so in RabbitMQ's words. */
function brokerWithout(lost: string): AmqpLink & { readonly bindings: string[] } {
  const bindings: string[] = [];
  const channel: Partial<AmqpChannel> = {
    isOpen: true,
    declareExchange: () => Promise.resolve(),
    checkExchange: () => Promise.resolve(),
    bindQueue(queue, exchange) {
      const error = Object.assign(new Error(`NOT_FOUND - no queue '${queue}' in vhost '/'`), {
        code: 404,
      });
      if (queue === lost) return Promise.reject(error);
      bindings.push(`${queue} ${exchange}`);
      return Promise.resolve();
    },
  };
  // The exchanges use no more of a connection than this.
  const link: Partial<AmqpLink> = {
    closed: new Promise(() => {}),
    openChannel: () => Promise.resolve(channel as AmqpChannel),
  };
  return Object.assign(link as AmqpLink, { bindings });
}

async function toldBy(lost: string) {
  const closed = Promise.withResolvers<undefined>();
  const told: string[] = [];
  const exchanges = new ServerExchanges({
    queue: "math",
    declare: true,
    hasAdministrators: false,
    onNoReturns: () => told.push("no returns"),
    onVanished: () => told.push("vanished"),
  });
  const broker = Object.assign(brokerWithout(lost), { closed: closed.promise });
  await exchanges.open(broker, "amq.gen-control");
  await exchanges.onDeclared("caller");
  closed.resolve(undefined);
  await closed.promise;
  return { told, bindings: broker.bindings };
}

Deno.test("ServerExchanges notices a control queue that has vanished without a word", async () => {
  const { told, bindings } = await toldBy("amq.gen-control");
  assertEquals([told.slice(0, 1), bindings], [["vanished"], []]);
});

Deno.test("ServerExchanges binds the request queue to its exchange", async () => {
  const { told, bindings } = await toldBy("nothing");
  assertEquals(told, []);
  assertEquals([...new Set(bindings)], ["amq.gen-control rpc.control", "math math.requests"]);
});

Deno.test("ServerExchanges tells of a request queue that cannot be bound, and goes on", async () => {
  const { told } = await toldBy("math");
  assertEquals(told, ["no returns"]);
});
