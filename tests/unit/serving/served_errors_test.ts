import { assert, assertEquals, assertInstanceOf, assertRejects } from "../../../deps/std_assert.ts";
import { RpcClient, RpcError, RpcServer, type RpcServerEvent } from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { WorkerPool } from "../../../workers/mod.ts";
import { fail, failTogether } from "../../fixtures/workers/failing_worker.ts";
import { eventually } from "../../helpers/eventually.ts";

type Served = Extract<RpcServerEvent, { type: "served" }>;

const workerFile = new URL("../../fixtures/workers/failing_worker.ts", import.meta.url);

for (const where of ["function", "thread", "process"] as const) {
  Deno.test(`The event of a served request has what its handler threw: ${where}`, async () => {
    await using broker = await TestBroker.start();
    await using pool = where === "function"
      ? undefined
      : await WorkerPool.open(workerFile, { isolation: where, maxWorkers: 1 });
    const handlers = { ping: () => 1, ...pool?.handlers() ?? { fail, failTogether } };
    const served: Served[] = [];
    const queue = "math";
    await using _server = await RpcServer.listen(broker.url, {
      queue,
      handlers,
      onEvent: (event) => event.type === "served" && served.push(event),
    });
    await using client = await RpcClient.connect(broker.url, { queue });
    await client.call("ping");
    await assertRejects(() => client.call("fail"), RpcError, "Cannot save the order");
    await assertRejects(() => client.call("failTogether"), RpcError);
    await assertRejects(() => client.call("nothing"), RpcError);
    await eventually(() => assertEquals(served.length, 4));
    const errors = new Map(served.map(({ procedure, error }) => [procedure, error]));
    assertEquals(errors.get("ping"), undefined);
    for (
      const [procedure, parts] of Object.entries({
        // Its stack, its cause, and the stack of that.
        fail: ["Cannot save the order", "failing_worker.ts", "the disk is full", "deepest"],
        failTogether: ["first", "second"],
        nothing: ["nothing"],
      })
    ) {
      const error = errors.get(procedure);
      assertInstanceOf(error, Error);
      const shown = Deno.inspect(error);
      for (const part of parts) assert(shown.includes(part), shown);
    }
  });
}
