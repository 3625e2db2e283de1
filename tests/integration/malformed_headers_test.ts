import { assert, assertEquals } from "../../deps/std_assert.ts";
import { AmqpConnection, type AmqpDelivery } from "../../internal/broker/amqp.ts";
import { parseBrokerUrl } from "../../internal/broker/broker_address.ts";
import { encodeTable } from "../../testing/wire/field_table.ts";
import type { FieldTable } from "../../testing/wire/field_value.ts";
import { RawClient } from "../../tools/raw/raw_client.ts";
import { brokerUrl } from "../helpers/broker.ts";
import { eventually } from "../helpers/eventually.ts";

/** Deeper than amqplib can follow. */
const DEPTH = 7_000;

function nested(depth: number): FieldTable {
  let table: FieldTable = new Map();
  for (let level = 0; level < depth; level++) {
    table = new Map([["k", { type: "table", value: encodeTable(table) }]]);
  }
  return table;
}

Deno.test("AmqpChannel delivers messages whose headers cannot be decoded", async () => {
  const connection = await AmqpConnection.open(parseBrokerUrl(brokerUrl()), {
    connectTimeoutMs: 10_000,
    heartbeatSeconds: 10,
    connectionName: "test",
    clientProperties: {},
  });
  try {
    const channel = await connection.openChannel();
    const queue = await channel.declareQueue("", { exclusive: true });
    const deliveries: AmqpDelivery[] = [];
    await channel.consume(queue, { noAck: true }, (delivery) => {
      if (delivery !== undefined) deliveries.push(delivery);
    });
    using raw = await RawClient.open(brokerUrl());
    await raw.openChannel(1);
    const body = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
    const properties = { correlationId: "id", replyTo: "queue", type: "echo" };
    for (const headers of [undefined, nested(DEPTH), undefined, nested(DEPTH)]) {
      raw.send(1, "basic.publish", { routingKey: queue }, {
        properties: { ...properties, headers },
        body,
      });
    }
    await eventually(() => assertEquals(deliveries.length, 4));
    for (const [index, { properties, body: received }] of deliveries.entries()) {
      const { correlationId, replyTo, type, headers, malformed } = properties;
      assertEquals([correlationId, replyTo, type], ["id", "queue", "echo"]);
      assertEquals(received.length, body.length);
      assert(received.every((byte, at) => byte === body[at]));
      assertEquals([headers, malformed !== undefined], [undefined, index % 2 === 1]);
    }
  } finally {
    await connection.close();
  }
});
