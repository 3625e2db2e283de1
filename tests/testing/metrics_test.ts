import { assert, assertEquals, assertRejects } from "../../deps/std_assert.ts";
import { healthHandler } from "../../extras/health/mod.ts";
import { metricsText, RpcMetrics } from "../../extras/metrics/mod.ts";
import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";
import { parseMetrics } from "../helpers/metrics_parser.ts";

const WORKER = new URL("../fixtures/workers/timed_worker.ts", import.meta.url);
const LOCAL = { remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 } };

/** A server with a pool and a client, all of them measured. */
async function start() {
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await TestBroker.start());
  const metrics = new RpcMetrics();
  const pool = stack.use(await WorkerPool.open(WORKER, { maxWorkers: 1 }));
  const server = stack.use(
    await RpcServer.listen(broker.url, {
      queue: "math",
      handlers: { add: ([a, b]: [number, number]) => a + b },
      onEvent: metrics.serverObserver("math"),
    }),
  );
  const client = stack.use(
    await RpcClient.connect(broker.url, {
      queue: "math",
      onEvent: metrics.clientObserver("math"),
    }),
  );
  const parts = { server, client, pool };
  const probe = healthHandler(parts, { metrics: () => metricsText(parts, metrics) });
  /** All series, by what stands before their value. */
  const scrape = async (): Promise<ReadonlyMap<string, number>> => {
    const response = await probe(new Request("http://localhost/metrics"), LOCAL);
    assertEquals(response.status, 200);
    const samples = parseMetrics(await response.text()).flatMap(({ samples }) => samples);
    return new Map(samples.map(({ name, labels, value }) => {
      return [[name, ...Object.values(labels)].join(" "), value];
    }));
  };
  const owned = stack.move();
  return { client, scrape, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("/metrics has what clients, servers and pools have done", async () => {
  await using scene = await start();
  assertEquals(await scene.client.call("add", [1, 2]), 3);
  const duration = "call_duration_seconds_count warren math/add OK";
  await eventually(async () => {
    const series = await scene.scrape();
    assertEquals(series.get(`rpc_client_${duration}`), 1);
    assertEquals(series.get(`rpc_server_${duration}`), 1);
    assertEquals(series.get("warren_server_requests_total server output"), 1);
    assertEquals(series.get("warren_client_pending_calls client"), 0);
    assertEquals(series.get("warren_pool_backlog pool"), 0);
    assertEquals(series.get("warren_pool_crashes_total pool"), 0);
    assertEquals(series.get("warren_pool_task_run_duration_seconds_count pool"), 0);
  });
});

Deno.test("Procedures that a server does not have add one series of it", async () => {
  await using scene = await start();
  const isOfServer = (name: string) => name.startsWith("rpc_server_call_duration_seconds_count");
  const ask = (name: string) => assertRejects(() => scene.client.call(name, 0), RpcError);
  for (let count = 0; count < 300; count++) await ask(`x${count}`);
  await eventually(async () => {
    const series = await scene.scrape();
    const name = "rpc_server_call_duration_seconds_count warren math/_OTHER unknown-procedure";
    assertEquals(series.get(`${name} unknown-procedure`), 300);
    assertEquals([...series.keys()].filter(isOfServer).length, 1);
    assert(series.size < 5_000);
  });
});
