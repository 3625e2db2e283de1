import { assert, assertEquals } from "../../deps/std_assert.ts";
import { healthHandler } from "../../extras/health/mod.ts";
import { RpcClient, RpcServer } from "../../mod.ts";
import { TestBroker } from "../../testing/mod.ts";
import { quantile } from "../../tools/measuring/quantile.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { eventually } from "../helpers/eventually.ts";

const PROBES = 200;
const LIMIT_MS = 25;
/** Some tenths of a second of computing. */
const INPUT = 36;

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
  let isOver = false;
  const calls = Array.from({ length: workers * 2 }, async () => {
    while (!isOver) await client.call("slowFibonacci", INPUT, { timeoutMs: 120_000 });
  });
  await eventually(() => assertEquals([pool.stats().busy, pool.stats().idle], [workers, 0]));
  // On a machine that has more to do, nobody answers in time: the control shows it.
  await using control = Deno.serve(options, () => new Response());
  const times: number[] = [];
  const controlTimes: number[] = [];
  for (let n = 0; n < PROBES; n++) {
    times.push(await ask(`${probes.addr.port}/${n % 2 === 0 ? "livez" : "readyz"}`));
    controlTimes.push(await ask(`${control.addr.port}/`));
  }
  assertEquals(pool.stats().busy, workers);
  isOver = true;
  await Promise.all(calls);
  const [p99, controlP99] = [quantile(times, 0.99), quantile(controlTimes, 0.99)];
  const figures = `p99 is ${p99.toFixed(1)} ms, of the control ${controlP99.toFixed(1)} ms`;
  assert(p99 < Math.max(LIMIT_MS, 2 * controlP99), figures);
});

/** Asks for a page; returns how long it took, in milliseconds. */
async function ask(place: string): Promise<number> {
  const start = performance.now();
  const response = await fetch(`http://127.0.0.1:${place}`);
  await response.body?.cancel();
  assertEquals(response.status, 200);
  return performance.now() - start;
}
