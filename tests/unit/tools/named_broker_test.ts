import { connect } from "../../../deps/amqplib.ts";
import { assertEquals, assertThrows } from "../../../deps/std_assert.ts";
import {
  type BrokerChoice,
  startNamedBroker,
  takeBrokers,
} from "../../../tools/brokers/named_broker.ts";

Deno.test("takeBrokers() reads --broker wherever it stands, each broker once", () => {
  const rest = ["tests/a_test.ts", "--filter", "x"];
  const choice: BrokerChoice = { names: ["4.0", "embedded"], rest };
  assertEquals(takeBrokers(["--broker", "4.0,embedded", ...rest]), choice);
  assertEquals(takeBrokers([...rest, "--broker=4.0, embedded,4.0"]), choice);
});

Deno.test("startNamedBroker() starts the embedded broker as each release", async () => {
  const names = { "embedded": "3.10.8", "embedded-4.0": "4.0.5", "embedded-4.3": "4.3.6" } as const;
  for (const name of ["embedded", "embedded-4.0", "embedded-4.3"] as const) {
    await using broker = await startNamedBroker(name);
    const model = await connect(broker.url, { noDelay: true });
    const { version } = model.connection.serverProperties;
    await model.close();
    assertEquals([name, version], [name, names[name]]);
  }
});

Deno.test("takeBrokers() leaves arguments without --broker as they are", () => {
  assertEquals(takeBrokers(["--brokers", "4.0"]), { names: [], rest: ["--brokers", "4.0"] });
});

Deno.test("takeBrokers() says which brokers there are", () => {
  for (const args of [["--broker", "4.1"], ["--broker="], ["--broker"], ["--broker", "4.0,"]]) {
    assertThrows(
      () => takeBrokers(args),
      TypeError,
      "only: 3.10, 4.0, 4.3, embedded, embedded-4.0, embedded-4.3",
    );
  }
});
