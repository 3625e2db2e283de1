import { assertEquals, assertRejects, assertStrictEquals } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import { Gates, openPool, PoolObserver } from "./pool_helpers.ts";

function openGated(observer = new PoolObserver()) {
  return openPool<GatedContract>("gated_worker.ts", { onEvent: observer.observe });
}

async function assertClosed(promise: Promise<unknown>): Promise<void> {
  const error = await assertRejects(() => promise, RpcError, "as the pool is closed");
  assertEquals(error.code, "closed");
}

Deno.test("WorkerPool.close() gives the same promise each time", async () => {
  const pool = await openGated();
  assertStrictEquals(pool.close(), pool.close({ graceMs: 0 }));
  await pool.close();
  await pool[Symbol.asyncDispose]();
});

Deno.test("WorkerPool.close() refuses tasks that come later", async () => {
  const pool = await openGated();
  const closing = pool.close();
  await assertClosed(pool.run("echo", 1));
  await closing;
  await assertClosed(pool.run("echo", 1));
});

Deno.test("WorkerPool.close() waits for running and waiting tasks", async () => {
  using gates = new Gates();
  const pool = await openGated();
  const name = gates.name();
  const running = pool.run("wait", name);
  const waiting = pool.run("echo", "last");
  await gates.heard("started", name);
  const closing = pool.close();
  gates.open(name);
  assertEquals(await Promise.all([running, waiting]), [name, "last"]);
  await closing;
});

for (const graceMs of [Infinity, 2 ** 31]) {
  Deno.test(`WorkerPool.close() lets tasks go on for a grace of ${graceMs} ms`, async () => {
    using gates = new Gates();
    const pool = await openGated();
    const name = gates.name();
    const running = pool.run("wait", name);
    await gates.heard("started", name);
    const closing = pool.close({ graceMs });
    // Longer than a timer that fires at once.
    await new Promise((resolve) => setTimeout(resolve, 50));
    gates.open(name);
    assertEquals(await running, name);
    await closing;
  });
}

Deno.test("WorkerPool.close() fails what is left after its grace", async () => {
  using gates = new Gates();
  const pool = await openGated();
  const name = gates.name();
  const running = assertClosed(pool.run("wait", name));
  const waiting = assertClosed(pool.run("echo", "last"));
  await gates.heard("started", name);
  await pool.close({ graceMs: 10 });
  await Promise.all([running, waiting]);
});

Deno.test("WorkerPool.close() ends every slot", async () => {
  const observer = new PoolObserver();
  const pool = await openPool("plain_worker.ts", { maxWorkers: 2, onEvent: observer.observe });
  await pool.close();
  assertEquals((await observer.count("closed", 2)).length, 2);
  const { idle, busy, starting } = pool.stats();
  assertEquals({ idle, busy, starting }, { idle: 0, busy: 0, starting: 0 });
});

Deno.test("WorkerPool.close() starts no worker after a crash", async () => {
  const observer = new PoolObserver();
  const pool = await openGated(observer);
  const crash = assertRejects(() => pool.run("close", undefined), RpcError);
  await observer.count("crashed", 1);
  await pool.close();
  await crash;
  assertEquals(observer.events.at(-1)?.type, "closed");
});

Deno.test("WorkerPool.close() refuses a grace that is none", async () => {
  await using pool = await openGated();
  for (const graceMs of [-1, NaN]) {
    await assertRejects(() => pool.close({ graceMs }), RangeError, '"graceMs"');
  }
  assertEquals(await pool.run("echo", 1), 1);
});
