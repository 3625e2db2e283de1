import { RpcServer, type RpcServerEvent } from "../../mod.ts";
import { ParkedRequests } from "../../extras/parked/parked_requests.ts";
import { assertEquals } from "../../deps/std_assert.ts";
import { PrivateNode } from "../../tools/brokers/private_node.ts";
import { findRabbitmq } from "../../tools/brokers/rabbitmq_install.ts";
import { AmqpPeer } from "../helpers/amqp_peer.ts";
import { eventually } from "../helpers/eventually.ts";
import { randomQueue } from "../helpers/broker.ts";

const install = findRabbitmq();
const missing = typeof install === "string"
  ? install
  : install.version.startsWith("3.")
  ? "RabbitMQ 3 has no default queue type"
  : undefined;
const ignore = missing !== undefined && Deno.env.get("WARREN_REQUIRE_RABBITMQ") !== "1";

/** More often than RabbitMQ 4 gives a message of a quorum queue back unless told otherwise. */
const LOOKS = 25;

Deno.test({
  name: ignore
    ? `Looking at parked requests keeps them (ignored: ${missing})`
    : "Looking at parked requests keeps them where quorum queues are the default",
  ignore,
  async fn() {
    await using node = await PrivateNode.start();
    await node.ctl("add_vhost", "quorum", "--default-queue-type", "quorum");
    await node.ctl("set_permissions", "-p", "quorum", "guest", ".*", ".*", ".*");
    const url = `${node.url}/quorum`;
    for (const durability of ["replicated", "durable", "existing"] as const) {
      const queue = randomQueue();
      await using peer = await AmqpPeer.open(url);
      if (durability === "existing") await peer.declareQueue(queue);
      const events: RpcServerEvent[] = [];
      const handlers = { echo: (value: unknown) => value };
      const onEvent = (event: RpcServerEvent) => events.push(event);
      await using _server = await RpcServer.listen(url, { queue, durability, handlers, onEvent });
      await peer.send(queue, "1", { type: "echo", replyTo: "elsewhere" });
      await eventually(() =>
        assertEquals(events.filter(({ type }) => type === "parked").length, 1)
      );
      await using parked = await ParkedRequests.open(url, { queue });
      for (let look = 0; look < LOOKS; look++) {
        assertEquals((await parked.list()).length, 1, `${durability}, after ${look} looks`);
      }
    }
  },
});
