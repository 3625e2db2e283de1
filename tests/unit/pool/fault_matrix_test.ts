import { assertEquals, assertLess } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { WorkerPool, WorkerPoolOptions } from "../../../workers/mod.ts";
import { openPool, PoolObserver } from "./pool_helpers.ts";

type Isolation = "thread" | "process";

/** Of a task that ends only by its limit. */
const TIME_LIMIT_MS = 1_000;
/** Of all others, which end by themselves, however slow the machine is. */
const PATIENCE_MS = 20_000;

/** The faults of a task, and the error code that its caller sees. */
const FAULTS: readonly (readonly [procedure: string, code: string, tiers: readonly Isolation[]])[] =
  [
    ["throw", "handler-error", ["thread", "process"]],
    ["reject", "handler-error", ["thread", "process"]],
    ["uncloneable", "unencodable", ["thread", "process"]],
    ["overflow", "handler-error", ["thread", "process"]],
    ["loop", "timeout", ["thread", "process"]],
    ["exit", "worker-crashed", ["thread", "process"]],
    ["close", "worker-crashed", ["thread", "process"]],
    // A thread that runs out of memory ends the whole program: see below.
    ["outOfMemory", "worker-crashed", ["process"]],
  ];

function open(
  isolation: Isolation,
  observer: PoolObserver,
  timeLimitMs: number,
): Promise<WorkerPool> {
  const options: WorkerPoolOptions = {
    maxWorkers: 2,
    isolation,
    timeLimitMs,
    abortGraceMs: 200,
    onEvent: observer.observe,
    ...(isolation === "process" ? { maxWorkerMemoryMb: 64 } : {}),
  };
  return openPool("matrix_worker.ts", options);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return error instanceof RpcError ? error.code : `an untyped error: ${error}`;
  }
}

async function assertContained(isolation: Isolation, procedure: string, code: string) {
  const observer = new PoolObserver();
  const timeLimitMs = code === "timeout" ? TIME_LIMIT_MS : PATIENCE_MS;
  await using pool = await open(isolation, observer, timeLimitMs);
  const startedAt = performance.now();
  const running = pool.run("rest", 300);
  const guilty = codeOf(pool.run(procedure, undefined));
  const waiting = [1, 2, 3, 4].map((input) => pool.run("echo", input));
  assertEquals(await guilty, code);
  assertLess(performance.now() - startedAt, timeLimitMs + 1_000);
  assertEquals(await Promise.all([running, ...waiting]), [300, 1, 2, 3, 4]);
  await observer.until(() => pool.stats().idle === 2 && pool.stats().zombies === 0);
}

for (const [procedure, code, tiers] of FAULTS) {
  for (const isolation of tiers) {
    Deno.test(`WorkerPool contains "${procedure}" of a task in a ${isolation}`, async () => {
      await assertContained(isolation, procedure, code);
    });
  }
}

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`WorkerPool carries an output of 200 MB from a ${isolation}`, async () => {
    await using pool = await openPool("matrix_worker.ts", { isolation, maxWorkers: 1 });
    const output = await pool.run("huge", undefined);
    assertEquals(typeof output === "string" && output.length, 200 * 2 ** 20);
  });

  const startFaults: Readonly<Record<string, string>> = {
    "no_such_worker.ts": "no_such_worker.ts",
    "syntax_error_worker.txt": "",
    "throwing_worker.ts": "no luck at the top level",
    "silent_worker.ts": "expose()",
    "exiting_worker.ts": "Deno.exit(7)",
    "hanging_worker.ts": "within 700 ms",
  };
  for (const [file, part] of Object.entries(startFaults)) {
    Deno.test(`WorkerPool.open() says why ${file} fails in a ${isolation}`, async () => {
      const startedAt = performance.now();
      const options = { isolation, startTimeoutMs: 700 };
      const error: unknown = await openPool(file, options).then(() => undefined, (error) => error);
      assertEquals(error instanceof RpcError && error.code, "worker-not-started");
      assertEquals(error instanceof Error && error.message.includes(part), true, `${error}`);
      assertLess(performance.now() - startedAt, 1_700);
    });
  }
}

Deno.test("WorkerPool cannot keep a thread that is out of memory from ending all", async () => {
  const { code, signal } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-read",
      "--v8-flags=--max-old-space-size=64",
      new URL("../../fixtures/workers/pool_owner.ts", import.meta.url).href,
      "matrix_worker.ts",
      "outOfMemory",
    ],
    stdout: "null",
    stderr: "null",
    signal: AbortSignal.timeout(20_000),
  }).output();
  assertEquals(code !== 0 || signal !== null, true);
});
