import {
  assertEquals,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { type ProcedureLimits, WorkerPool, type WorkerPoolOptions } from "../../../workers/mod.ts";
import type { PlainContract } from "../../fixtures/workers/plain_worker.ts";
import { openPool, PoolObserver, workerUrl } from "./pool_helpers.ts";

async function openError(file: string, options: WorkerPoolOptions = {}): Promise<RpcError> {
  const error = await assertRejects(
    () => openPool(file, options),
    RpcError,
    "Cannot start a worker",
  );
  assertEquals(error.code, "worker-not-started");
  return error;
}

Deno.test("WorkerPool.open() takes the worker's URL as a string", async () => {
  await using pool = await WorkerPool.open<PlainContract>(workerUrl("plain_worker.ts").href, {
    maxWorkers: 1,
  });
  assertEquals(await pool.run("echo", "here"), "here");
});

Deno.test("WorkerPool.open() gives as many workers as asked for", async () => {
  await using pool = await openPool("plain_worker.ts", { maxWorkers: 3 });
  assertEquals(pool.stats().idle, 3);
});

Deno.test("WorkerPool.open() takes a worker file as a data URL", async () => {
  const runtime = import.meta.resolve("../../../workers/runtime.ts");
  const code = `import { expose } from "${runtime}"; expose({ two: () => 2 });`;
  await using pool = await WorkerPool.open(`data:text/typescript,${encodeURIComponent(code)}`, {
    maxWorkers: 1,
  });
  assertEquals(await pool.run("two", undefined), 2);
});

Deno.test("WorkerPool.open() refuses a relative URL and names it", async () => {
  await assertRejects(
    () => WorkerPool.open("./x_worker.ts"),
    TypeError,
    '"worker" must be an absolute URL, such as new URL("./worker.ts", import.meta.url): current value is "./x_worker.ts"',
  );
});

Deno.test("WorkerPool.open() refuses numbers out of range", async () => {
  const wrong: Record<string, readonly unknown[]> = {
    maxWorkers: [0, 1.5, NaN, "2", 1_001],
    minWorkers: [0, -1],
    maxTasksPerWorker: [0, Infinity],
    maxWorkerMemoryMb: [15],
    idleTimeoutMs: [-1, 2 ** 31, Infinity],
    startTimeoutMs: [0, 2 ** 31],
    timeLimitMs: [0, 2 ** 31, NaN],
    abortGraceMs: [-1, 2 ** 31],
    maxBacklog: [-1, Infinity],
    maxZombies: [-1, 0.5],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const opening = () => openPool("plain_worker.ts", { [name]: value });
      await assertRejects(
        opening,
        RangeError,
        `Cannot open a pool as "${name}" must be an integer`,
      );
    }
  }
  const unknown = { isolation: "fibre" as "thread" };
  await assertRejects(() => openPool("plain_worker.ts", unknown), TypeError, '"isolation"');
});

Deno.test("WorkerPool.open() refuses limits that cannot be kept", async () => {
  const wrong: ProcedureLimits[] = [
    { maxConcurrent: 0 },
    { maxConcurrent: NaN },
    { maxConcurrent: "2" as unknown as number },
    { timeLimitMs: 0 },
    { timeLimitMs: 2 ** 31 },
  ];
  for (const limits of wrong) {
    const [name] = Object.keys(limits);
    await assertRejects(
      () => openPool("plain_worker.ts", { limits: { echo: limits } }),
      RangeError,
      `"limits.echo.${name}"`,
    );
  }
  await assertRejects(
    () => openPool("plain_worker.ts", { limits: { ecko: { maxConcurrent: 1 } } }),
    TypeError,
    'does not expose: it is "ecko"',
  );
});

Deno.test("WorkerPool.open() rejects when the file is missing", async () => {
  const { message } = await openError("no_such_worker.ts");
  assertEquals(message.includes("Module not found"), true);
  assertEquals(message.includes("no_such_worker.ts"), true);
});

Deno.test("WorkerPool.open() rejects when the file has a syntax error", async () => {
  const url = `data:text/typescript,${encodeURIComponent("const = 1;")}`;
  const error = await assertRejects(() => WorkerPool.open(url, { maxWorkers: 1 }), RpcError);
  assertEquals(error.code, "worker-not-started");
});

Deno.test("WorkerPool.open() rejects with what the file throws", async () => {
  const { message } = await openError("throwing_worker.ts");
  assertEquals(
    message,
    `Cannot start a worker of "${
      workerUrl("throwing_worker.ts")
    }": RangeError: no luck at the top level`,
  );
});

Deno.test("WorkerPool.open() rejects when expose() is never called", async () => {
  const { message } = await openError("silent_worker.ts");
  assertEquals(
    message,
    `Cannot start a worker of "${workerUrl("silent_worker.ts")}": the file never calls expose()`,
  );
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`WorkerPool.open() rejects when a ${isolation} exposes otherwise than once`, async () => {
    const reasons = {
      "twice_worker.ts": "called expose() before",
      "nothing_worker.ts": "Cannot expose procedures as there are none",
      "late_worker.ts": "the file never calls expose()",
    };
    for (const [file, reason] of Object.entries(reasons)) {
      const { message } = await openError(file, { isolation });
      assertStringIncludes(message, `Cannot start a worker of "${workerUrl(file)}": `);
      assertStringIncludes(message, reason);
    }
  });
}

Deno.test("WorkerPool.open() says that processes need a shell", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-all",
      new URL("../../fixtures/workers/pool_without_shell.ts", import.meta.url).href,
    ],
    env: { PATH: "/nowhere" },
    stderr: "inherit",
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [
    0,
    "worker-not-started: Cannot watch over worker processes as there is no shell: " +
    '"sh" is not found on the PATH\n',
  ]);
});

Deno.test("WorkerPool.open() rejects when the file exits at once", async () => {
  const { message } = await openError("exiting_worker.ts");
  assertEquals(
    message,
    `Cannot start a worker of "${workerUrl("exiting_worker.ts")}": it called Deno.exit(7)`,
  );
});

Deno.test("WorkerPool.open() rejects in time when the file hangs", async () => {
  const startedAt = performance.now();
  const { message } = await openError("hanging_worker.ts", { startTimeoutMs: 300 });
  assertEquals(message.includes("not ready within 300 ms"), true);
  assertLess(performance.now() - startedAt, 1_300);
});

Deno.test("WorkerPool.open() gives up when its signal aborts", async () => {
  const controller = new AbortController();
  const opening = openPool("hanging_worker.ts", { signal: controller.signal });
  controller.abort(new Error("not needed any more"));
  await assertRejects(() => opening, Error, "not needed any more");
});

Deno.test("WorkerPool.open() leaves no worker behind when it fails", async () => {
  const observer = new PoolObserver();
  await openError("throwing_worker.ts", { maxWorkers: 2, onEvent: observer.observe });
  assertEquals((await observer.count("closed", 2)).length, 2);
});

Deno.test("WorkerPool.open() survives an observer that throws", async () => {
  await using pool = await openPool("plain_worker.ts", {
    onEvent: () => {
      throw new Error("an observer's own affair");
    },
  });
  assertEquals(await pool.run("echo", 1), 1);
});

Deno.test("WorkerPool.open() compares what is expected with what is exposed", async () => {
  type Plain = typeof import("../../fixtures/workers/plain_worker.ts").default;
  const url = workerUrl("plain_worker.ts");
  await using pool = await WorkerPool.open<Plain>(url, { maxWorkers: 1, expect: ["echo"] });
  assertEquals((await pool.run("repeat", { text: "a", times: 2 })).length, 2);
  const error = await assertRejects(
    () => {
      const expect = ["echo", "infer"] as const;
      return WorkerPool.open<Plain & { infer(): void }>(url, { maxWorkers: 1, expect });
    },
    TypeError,
  );
  assertStringIncludes(
    error.message,
    'Cannot open a pool as its worker file does not expose "infer": it exposes "echo", "addLater"',
  );
});
