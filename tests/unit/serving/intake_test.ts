import { assertEquals, assertMatch } from "../../../deps/std_assert.ts";
import { RpcServer } from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { intakeTimeoutMs } from "../../../internal/serving/intake.ts";

const MAX_MS = 2 ** 31 - 1;

Deno.test("intakeTimeoutMs() is enough for all requests in hand, one after the other", () => {
  assertEquals(intakeTimeoutMs(600_000, 32), 19_200_000);
  assertEquals(intakeTimeoutMs(MAX_MS, 2_000), MAX_MS);
});

Deno.test("intakeTimeoutMs() is no shorter than RabbitMQ's own", () => {
  assertEquals(intakeTimeoutMs(1_000, 32), 1_800_000);
});

Deno.test("intakeTimeoutMs() has the highest for work without a limit", () => {
  assertEquals(intakeTimeoutMs(undefined, 16), MAX_MS);
});

Deno.test("Intake consumes with a tag that tells who it is", async () => {
  await using broker = await TestBroker.start();
  const handlers = { echo: (value: unknown) => value };
  await using _server = await RpcServer.listen(broker.url, { queue: "math", handlers });
  const [consumed] = broker.log.events.flatMap((event) =>
    event.name === "basic.consume" && event.arguments.queue === "math"
      ? [event.arguments.consumerTag]
      : []
  );
  assertMatch(`${consumed}`, new RegExp(`^#1 math server .*${Deno.pid}$`));
});
