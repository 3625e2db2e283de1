/**
 * The demo: real calls through a real broker into real workers and back. `deno task demo` runs it
 * with a broker in `AMQP_URL`.
 *
 * @module
 */

import { RpcClient, RpcError, RpcServer } from "../../mod.ts";
import type { FibonacciContract } from "../../workers/fibonacci.ts";
import { fibonacciNumber as fibonacci } from "../../workers/fibonacci_numbers.ts";
import { WorkerPool } from "../../workers/mod.ts";
import { quantile } from "../measuring/quantile.ts";
import { calibrate, runBatch } from "./demo_batch.ts";
import { DemoQueue } from "./demo_queue.ts";
import { heading, line, plural } from "./demo_text.ts";

/** More would not show more, only make the run with one worker longer. */
const MAX_WORKERS = 8;
const MIN_TASKS = 24;

interface Scene {
  readonly url: string;
  readonly queue: string;
  readonly client: RpcClient<FibonacciContract>;
  readonly workers: number;
  /** How many cores other programs kept busy, on average over a minute; 0 if nobody knows. */
  readonly loadBefore: number;
}

if (import.meta.main) {
  try {
    await demo(Deno.env.get("AMQP_URL") || "amqp://127.0.0.1");
  } catch (error) {
    console.error(error instanceof RpcError ? error.message : error);
    Deno.exitCode = 1;
  }
}

async function demo(url: string): Promise<void> {
  const start = performance.now();
  const workers = Math.min(navigator.hardwareConcurrency, MAX_WORKERS);
  const queue = `warren-demo-${crypto.randomUUID()}`;
  await using client = await RpcClient.connect<FibonacciContract>(url, { queue });
  await using _declared = await DemoQueue.declare(url, queue);
  const [loadBefore = 0] = Deno.loadavg();
  const scene: Scene = { url, queue, client, workers, loadBefore };
  await showCalls(scene);
  await showPool(scene);
  const seconds = (performance.now() - start) / 1_000;
  heading(`Done in ${seconds.toFixed(0)} s. Now try the programs in examples/`);
}

/** A server with a pool. Handlers in `inline` run on the server's own thread instead. */
async function startServer(
  { url, queue }: Scene,
  maxWorkers: number,
  inline: Partial<FibonacciContract> = {},
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const workerFile = new URL("../../workers/fibonacci.ts", import.meta.url);
  const pool = stack.use(await WorkerPool.open<FibonacciContract>(workerFile, { maxWorkers }));
  stack.use(
    await RpcServer.listen<FibonacciContract>(url, {
      log: false,
      queue,
      durability: "existing",
      handlers: { ...pool.handlers(), ...inline },
      // More than the batch has calls, so that quick calls do not wait behind slow ones.
      prefetch: 100,
    }),
  );
  return stack.move();
}

async function showCalls(scene: Scene): Promise<void> {
  const { client, workers } = scene;
  heading(`Calls to a server with a pool of ${plural(workers, "worker")}`);
  await using _server = await startServer(scene, workers);
  // The first call compiles code on both sides, and would say nothing about those after it.
  await client.call("fibonacci", 1);
  for (const n of [30, 100]) {
    const start = performance.now();
    const output = await client.call("fibonacci", n);
    line(`fibonacci(${n})`, `${output}, after ${milliseconds(performance.now() - start)}`);
  }
  await showCallAsync(client);
  await showError(client);
}

async function showCallAsync(client: Scene["client"]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const correlationId = client.callAsync("fibonacci", 90, (result) => {
    resolve(result.ok ? `its callback got ${result.output}` : `its callback got ${result.error}`);
  });
  line("callAsync", `fibonacci(90) is call ${correlationId}`);
  line("", await promise);
}

async function showError(client: Scene["client"]): Promise<void> {
  try {
    await client.call("fibonacci", -1);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return line("fibonacci(-1)", `${error.name} "${error.code}": ${error.message}`);
  }
  throw new Error("Cannot show an error as fibonacci(-1) gave none");
}

async function showPool(scene: Scene): Promise<void> {
  const { workers } = scene;
  const tasks = Math.ceil(MIN_TASKS / workers) * workers;
  const { n, elapsedMs } = await showOneWorker(scene, tasks);
  if (workers === 1) return line("", "This machine has one core, and so the pool one worker");
  await using _server = await startServer(scene, workers, { fibonacci });
  const batch = await runBatch(scene.client, { label: plural(workers, "worker"), n, tasks });
  showSpeedup(elapsedMs / batch.elapsedMs, scene);
  const [median, p99] = [0.5, 0.99].map((part) => milliseconds(quantile(batch.quickMs, part)));
  const count = batch.quickMs.length;
  line("fibonacci(1)", `answered ${count} times meanwhile: median ${median}, p99 ${p99}`);
}

function showSpeedup(speedup: number, { workers, loadBefore }: Scene): void {
  line("", `${speedup.toFixed(2)} times as fast as 1 worker`);
  if (speedup > workers * 0.75 || loadBefore < 0.5) return;
  line("", `Other programs use the cores: the load average was ${loadBefore.toFixed(1)} before`);
}

async function showOneWorker(
  scene: Scene,
  tasks: number,
): Promise<{ readonly n: number; readonly elapsedMs: number }> {
  await using _server = await startServer(scene, 1, { fibonacci });
  const n = await calibrate(scene.client);
  heading(`${tasks} calls of slowFibonacci(${n}) at once, about 0.25 s of computing each`);
  const { elapsedMs } = await runBatch(scene.client, { label: "1 worker", n, tasks });
  return { n, elapsedMs };
}

function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`;
}
