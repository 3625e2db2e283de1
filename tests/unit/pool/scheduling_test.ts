import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { WorkerPoolOptions } from "../../../workers/mod.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import type { PlainContract } from "../../fixtures/workers/plain_worker.ts";
import { Gates, openPool, PoolObserver } from "./pool_helpers.ts";

function openGated(options: WorkerPoolOptions = {}) {
  return openPool<GatedContract>("gated_worker.ts", options);
}

Deno.test("WorkerPool starts tasks in order within one priority", async () => {
  using gates = new Gates();
  await using pool = await openGated();
  const name = gates.name();
  const order: number[] = [];
  const first = pool.run("wait", name);
  const rest = [[1, 0], [2, 5], [3, 0], [4, 5], [5, 1]].map(async ([id = 0, priority = 0]) => {
    await pool.run("echo", id, { priority });
    order.push(id);
  });
  gates.open(name);
  await Promise.all([first, ...rest]);
  assertEquals(order, [2, 4, 5, 1, 3]);
});

Deno.test("WorkerPool never queues behind a long task while one is idle", async () => {
  using gates = new Gates();
  await using pool = await openGated({ maxWorkers: 2 });
  // Short runs have taught the pool that `echo` may be queued inside a worker.
  for (let round = 0; round < 20; round++) await pool.run("echo", round);
  const name = gates.name();
  const long = pool.run("wait", name);
  await gates.heard("started", name);
  const inputs = Array.from({ length: 100 }, (_, index) => index);
  assertEquals(await Promise.all(inputs.map((input) => pool.run("echo", input))), inputs);
  gates.open(name);
  await long;
});

Deno.test("WorkerPool runs no more of a procedure at a time than allowed", async () => {
  using gates = new Gates();
  await using pool = await openGated({ maxWorkers: 2, limits: { wait: { maxConcurrent: 1 } } });
  const [first, second] = [gates.name(), gates.name()];
  const waits = [pool.run("wait", first), pool.run("wait", second)];
  await gates.heard("started", first);
  // The other worker is free for other procedures, and those come first.
  assertEquals(await pool.run("echo", 1), 1);
  assert(!gates.hasHeard("started", second));
  assertEquals(pool.stats().backlog, 1);
  gates.open(first);
  await gates.heard("started", second);
  gates.open(second);
  assertEquals(await Promise.all(waits), [first, second]);
});

Deno.test("WorkerPool strands no task behind one that is aborted", async () => {
  using gates = new Gates();
  await using pool = await openGated({ maxWorkers: 2, limits: { wait: { maxConcurrent: 1 } } });
  const names = Array.from({ length: 20 }, () => gates.name());
  const waits = names.map((name, index) => {
    const controller = new AbortController();
    const wait = pool.run("wait", name, { signal: controller.signal }).catch(() => "aborted");
    if (index % 3 === 1) queueMicrotask(() => controller.abort());
    return wait;
  });
  for (const name of names) gates.open(name);
  const expected = names.map((name, index) => index % 3 === 1 ? "aborted" : name);
  assertEquals(await Promise.all(waits), expected);
});

Deno.test("WorkerPool keeps to priorities where a procedure is limited", async () => {
  using gates = new Gates();
  await using pool = await openGated({ maxWorkers: 2, limits: { wait: { maxConcurrent: 1 } } });
  const first = gates.name();
  const order: number[] = [];
  const waits = [pool.run("wait", first)];
  for (const priority of [0, 0, 9, 5]) {
    const name = gates.name();
    gates.open(name);
    waits.push(pool.run("wait", name, { priority }).then(() => `${order.push(priority)}`));
  }
  gates.open(first);
  await Promise.all(waits);
  assertEquals(order, [9, 5, 0, 0]);
});

Deno.test("WorkerPool takes tasks back from behind one that takes too long", async () => {
  using gates = new Gates();
  await using pool = await openGated({ maxWorkers: 2 });
  const wait = async (name: string) => {
    gates.open(name);
    await pool.run("wait", name);
  };
  // Short runs have taught the pool that `wait` may be queued inside a worker.
  for (let round = 0; round < 40; round++) await wait(gates.name());
  const names = [gates.name(), gates.name(), gates.name(), gates.name()];
  const waits = names.map((name) => pool.run("wait", name));
  // The first keeps its worker; whatever was put behind it runs all the same.
  for (const name of names.slice(1)) gates.open(name);
  assertEquals(await Promise.all(waits.slice(1)), names.slice(1));
  for (const name of names.slice(0, 1)) gates.open(name);
  await Promise.all(waits);
});

Deno.test("WorkerPool frees the place of a procedure whose worker died", async () => {
  await using pool = await openPool("faulty_worker.ts", {
    maxWorkers: 1,
    limits: { exit: { maxConcurrent: 1 } },
  });
  for (let round = 0; round < 2; round++) {
    const error = await assertRejects(() => pool.run("exit", undefined), RpcError);
    assertEquals(error.code, "worker-crashed");
  }
});

Deno.test("WorkerPool starts workers beyond minWorkers when tasks wait", async () => {
  using gates = new Gates();
  const observer = new PoolObserver();
  await using pool = await openGated({
    maxWorkers: 2,
    minWorkers: 1,
    idleTimeoutMs: 20,
    onEvent: observer.observe,
  });
  assertEquals(pool.stats().idle, 1);
  const names = [gates.name(), gates.name()];
  const waits = names.map((name) => pool.run("wait", name));
  for (const name of names) await gates.heard("started", name);
  assertEquals(pool.stats().busy, 2);
  for (const name of names) gates.open(name);
  await Promise.all(waits);
  await observer.until(() => pool.stats().idle === 1 && pool.stats().busy === 0);
  assertEquals(await pool.run("echo", 1), 1);
});

Deno.test("WorkerPool replaces a worker after maxTasksPerWorker tasks", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool<PlainContract>("plain_worker.ts", {
    maxTasksPerWorker: 10,
    onEvent: observer.observe,
  });
  const before = await pool.run("workerId", undefined);
  for (let round = 0; round < 11; round++) await pool.run("echo", round);
  await observer.count("closed", 1);
  const after = await pool.run("workerId", undefined);
  assert(before !== after);
  assertEquals(observer.events.filter(({ type }) => type === "crashed"), []);
});

Deno.test("WorkerPool loses no task while it replaces workers", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts", {
    maxWorkers: 2,
    maxTasksPerWorker: 50,
  });
  const inputs = Array.from({ length: 2_000 }, (_, index) => index);
  assertEquals(await Promise.all(inputs.map((input) => pool.run("echo", input))), inputs);
  assertEquals(pool.stats().crashes, 0);
});

Deno.test("WorkerPool refuses tasks when too many threads cannot be stopped", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("matrix_worker.ts", {
    limits: { loop: { timeLimitMs: 50 } },
    abortGraceMs: 20,
    maxZombies: 1,
    onEvent: observer.observe,
  });
  const error = await assertRejects(() => pool.run("loop", undefined), RpcError, "limit of 50 ms");
  assertEquals(error.code, "timeout");
  await observer.count("abandoned", 1);
  assertEquals(pool.stats().zombies, 1);
  const refused = await assertRejects(() => pool.run("echo", 1), RpcError, "1 of them");
  assertEquals(refused.code, "overloaded");
  await observer.count("zombie-ended", 1);
  assertEquals(await pool.run("echo", 1), 1);
});

Deno.test("CallContext.throwIfCancelled() ends a loop that never awaits", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("matrix_worker.ts", { onEvent: observer.observe });
  await assertRejects(() => pool.run("politeLoop", undefined, { timeoutMs: 50 }), RpcError);
  assertEquals(await pool.run("echo", 1), 1);
  assertEquals(observer.events.some(({ type }) => type === "abandoned"), false);
});

Deno.test("WorkerPool.stats() tells how long tasks waited and ran", async () => {
  await using pool = await openPool("matrix_worker.ts");
  await Promise.all([pool.run("rest", 50), pool.run("echo", 1)]);
  const { waitMs, runMs } = pool.stats();
  assertEquals([waitMs.count, runMs.count], [2, 2]);
  assert(waitMs.max >= 45 && runMs.max >= 45, JSON.stringify({ waitMs, runMs }));
});
