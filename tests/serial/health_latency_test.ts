import { assert, assertEquals } from "../../deps/std_assert.ts";
import { healthHandler } from "../../extras/health/mod.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";

const PROBES = 300;
const LIMIT_MS = 25;
/** Much more computing than the probes take. */
const LONG = 45;

Deno.test("Probes are answered at once while all workers compute", async () => {
  await using broker = await TestBroker.start();
  const workers = navigator.hardwareConcurrency;
  await using pool = await WorkerPool.open(import.meta.resolve("../../workers/fibonacci.ts"), {
    maxWorkers: workers,
  });
  const queue = "math";
  await using server = await RpcServer.listen(broker.url, {
    queue,
    handlers: pool.handlers(),
    log: false,
  });
  await using client = await RpcClient.connect(broker.url, { queue, log: false });
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using probes = Deno.serve(options, healthHandler({ math: server, pool }));
  const controller = new AbortController();
  const { signal } = controller;
  const calls = Array.from(
    { length: workers * 2 },
    () => client.call("slowFibonacci", LONG, { signal, timeoutMs: 120_000 }).catch(() => {}),
  );
  await eventually(() => assertEquals([pool.stats().busy, pool.stats().idle], [workers, 0]));
  const times: number[] = [];
  for (let n = 0; n < PROBES; n++) {
    const path = n % 2 === 0 ? "livez" : "readyz";
    const start = performance.now();
    const response = await fetch(`http://127.0.0.1:${probes.addr.port}/${path}`);
    await response.body?.cancel();
    times.push(performance.now() - start);
    assertEquals(response.status, 200);
  }
  assertEquals(pool.stats().busy, workers);
  controller.abort();
  await Promise.all(calls);
  const p99 = quantile(times, 0.99);
  assert(p99 < LIMIT_MS, `p99 is ${p99.toFixed(1)} ms`);
});
