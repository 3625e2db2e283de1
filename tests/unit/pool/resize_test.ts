import { assertEquals, assertLess, assertThrows } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import { eventually } from "../../helpers/eventually.ts";
import { Gates, openPool, PoolObserver } from "./pool_helpers.ts";

Deno.test("WorkerPool.resize() ends workers that are too many once their work is done", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool<GatedContract>("gated_worker.ts", {
    onEvent: observer.observe,
  });
  using gates = new Gates();
  const names = [gates.name(), gates.name(), gates.name()];
  pool.resize(3);
  await eventually(() => assertEquals(pool.stats().idle, 3));
  const running = names.map((name) => pool.run("wait", name));
  for (const name of names) await gates.heard("started", name);
  pool.resize(1);
  assertEquals([pool.stats().busy, pool.stats().idle], [1, 0]);
  const waiting = pool.run("echo", "after");
  for (const name of names) gates.open(name);
  assertEquals(await Promise.all(running), names);
  assertEquals(await waiting, "after");
  await observer.count("closed", 2);
  await eventually(() => assertEquals(pool.stats().idle, 1));
  assertEquals(pool.stats().crashes, 0);
});

Deno.test("WorkerPool.resize() has a pool that grows with its work grow further", async () => {
  const options = { minWorkers: 1, maxWorkers: 1 };
  await using grown = await openPool<GatedContract>("gated_worker.ts", options);
  grown.resize(2);
  await eventually(() => assertEquals(grown.stats().idle, 2));
  await using growing = await openPool<GatedContract>("gated_worker.ts", {
    ...options,
    maxWorkers: 2,
  });
  growing.resize(3);
  // Nothing waits, so nothing starts.
  assertEquals([growing.stats().idle, growing.stats().starting], [1, 0]);
  using gates = new Gates();
  const names = [gates.name(), gates.name(), gates.name(), gates.name()];
  const running = names.map((name) => growing.run("wait", name));
  for (const name of names.slice(0, 3)) await gates.heard("started", name);
  const { idle, busy, starting } = growing.stats();
  assertLess(idle + busy + starting, 4);
  for (const name of names) gates.open(name);
  await Promise.all(running);
});

Deno.test("WorkerPool.resize() refuses what cannot be, and a closed pool", async () => {
  await using pool = await openPool("plain_worker.ts");
  for (const workers of [0, 1.5, NaN, 1_001]) assertThrows(() => pool.resize(workers), RangeError);
  await pool.close();
  assertEquals(assertThrows(() => pool.resize(2), RpcError).code, "closed");
});
