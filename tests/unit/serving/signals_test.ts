import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcClient, RpcServer } from "../../../mod.ts";
import { TestBroker } from "../../../testing/mod.ts";
import { type Child, runChild, startChild } from "../../helpers/child.ts";
import { eventually } from "../../helpers/eventually.ts";

const queue = "math";
const program = new URL("../../fixtures/signalled_server.ts", import.meta.url);

function infoOf(broker: TestBroker) {
  return broker.queues().find(({ name }) => name === queue);
}

/** Starts a server in a process, and has it run one request. */
async function busyServer(
  broker: TestBroker,
  kind: string,
  runMs: number,
): Promise<{ readonly child: Child; readonly call: Promise<unknown> }> {
  const child = startChild(program, { args: [broker.url, queue, kind], stderr: "piped" });
  await child.line("serving");
  const client = await RpcClient.connect(broker.url, { queue });
  const call = client.call("wait", runMs).finally(() => client.close({ graceMs: 0 }));
  // Whoever waits for it comes later.
  call.catch(() => {});
  await eventually(() => assertEquals(infoOf(broker)?.unacked, 1));
  return { child, call };
}

for (
  const [kind, signal] of [
    ["function", "SIGTERM"],
    ["thread", "SIGINT"],
    ["process", "SIGTERM"],
    ["shared", "SIGINT"],
  ] as const
) {
  Deno.test(`${signal} lets a server finish what it has in hand: ${kind}`, async () => {
    await using broker = await TestBroker.start();
    const { child, call } = await busyServer(broker, kind, 400);
    await using _ = child;
    child.kill(signal);
    assertEquals(await call, 400);
    await child.line("finished");
    assertEquals((await child.status).code, 0);
    const told = await child.stderr;
    for (const text of ["serving", `${signal}: closing, with 1 requests in hand`, "closed"]) {
      assert(told.includes(`Server of "math": ${text}\n`), told);
    }
  });
}

Deno.test("A second signal ends a server at once", async () => {
  await using broker = await TestBroker.start();
  const { child, call } = await busyServer(broker, "function", 60_000);
  await using _ = child;
  child.kill("SIGTERM");
  await eventually(() => assertEquals(infoOf(broker)?.consumers, 0));
  child.kill("SIGTERM");
  assertEquals((await child.status).signal, "SIGTERM");
  // Its request is back in the queue, for another server.
  await using _server = await RpcServer.listen(broker.url, {
    queue,
    handlers: { wait: () => "again" },
    log: false,
  });
  assertEquals(await call, "again");
});

Deno.test("A program ends with code 1 as its server failed, unless it looked after that", async () => {
  await using broker = await TestBroker.start();
  const module = new URL("../../fixtures/failed_server.ts", import.meta.url);
  const run = (mode: string) =>
    runChild(module, { args: [broker.url, queue, mode], limitMs: 60_000 });
  const [plain, awaited, silent] = await Promise.all(["", "awaited", "silent"].map(run));
  assertEquals([plain?.code, awaited?.code, silent?.code], [1, 0, 0]);
  assert(plain?.stderr.includes('Server of "math": failed: '), plain?.stderr);
  assertEquals(silent?.stderr, "");
});

Deno.test("RpcServer.listen() checks what is to close it", async () => {
  const handlers = { wait: () => 1 };
  const listen = (closeOnSignals: unknown) =>
    RpcServer.listen("amqp://127.0.0.1:1", {
      queue,
      handlers,
      closeOnSignals: closeOnSignals as boolean,
    });
  await assertRejects(() => listen("SIGTERM"), TypeError, '"closeOnSignals"');
  await assertRejects(() => listen({ graceMs: -1 }), RangeError, '"closeOnSignals.graceMs"');
});
