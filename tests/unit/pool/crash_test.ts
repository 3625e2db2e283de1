import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import { Gates, openPool, PoolObserver } from "./pool_helpers.ts";

async function assertCrash(procedure: string, reason: string): Promise<void> {
  const observer = new PoolObserver();
  await using pool = await openPool("faulty_worker.ts", { onEvent: observer.observe });
  const error = await assertRejects(() => pool.run(procedure, undefined), RpcError);
  assertEquals(error.code, "worker-crashed");
  assertEquals(error.message, `Cannot complete "${procedure}" as its worker died: ${reason}`);
  await observer.count("ready", 2);
  assertEquals(await pool.run("echo", "as before"), "as before");
  assertEquals(pool.stats().crashes, 1);
}

Deno.test("WorkerPool replaces a worker that calls self.close()", async () => {
  await assertCrash("close", "it called self.close()");
});

Deno.test("WorkerPool replaces a worker that calls Deno.exit()", async () => {
  await assertCrash("exit", "it called Deno.exit(3)");
});

Deno.test("WorkerPool replaces a worker that calls process.exit()", async () => {
  await assertCrash("exitAsNode", "it called Deno.exit(4)");
});

Deno.test("WorkerPool replaces a worker that ends without a word", async () => {
  await assertCrash("endInSilence", "it ended without a word");
});

Deno.test("WorkerPool replaces a worker with an uncaught error", async () => {
  await assertCrash("throwInTimer", "uncaught Error: from a timer");
});

Deno.test("WorkerPool replaces a worker with an unhandled rejection", async () => {
  await assertCrash("leaveRejection", "unhandled rejection: Error: left alone");
});

Deno.test("WorkerPool names the procedure that a dead worker ran", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("faulty_worker.ts", { onEvent: observer.observe });
  await assertRejects(() => pool.run("close", undefined), RpcError);
  const [event] = await observer.count("crashed", 1);
  assertEquals(event, {
    type: "crashed",
    slot: 0,
    reason: "it called self.close()",
    procedure: "close",
    restartInMs: 0,
  });
});

Deno.test("WorkerPool runs the tasks that waited behind a crash", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const inputs = Array.from({ length: 50 }, (_, index) => index);
  await Promise.all(inputs.map((input) => pool.run("echo", input)));
  const crash = assertRejects(() => pool.run("close", undefined), RpcError, "self.close()");
  const outputs = await Promise.all(inputs.map((input) => pool.run("echo", input)));
  assertEquals(outputs, inputs);
  await crash;
});

Deno.test("WorkerPool fails only the task that ran when tasks were prefetched", async () => {
  await using pool = await openPool("faulty_worker.ts", { maxWorkers: 1 });
  // Many short runs teach the pool to hand over several tasks at a time.
  for (let round = 0; round < 50; round++) await pool.run("echo", round);
  for (let round = 0; round < 5; round++) {
    const crashes = ["close", "exit", "close"].map((name) => pool.run(name, undefined));
    const echoes = Array.from({ length: 20 }, (_, index) => pool.run("echo", index));
    const outcomes = await Promise.allSettled([...crashes, ...echoes]);
    assertEquals(
      outcomes.map(({ status }) => status),
      [...crashes.map(() => "rejected" as const), ...echoes.map(() => "fulfilled" as const)],
    );
  }
});

Deno.test("WorkerPool leaves the tasks of other workers alone in a crash", async () => {
  using gates = new Gates();
  await using pool = await openPool<GatedContract>("gated_worker.ts", { maxWorkers: 2 });
  const name = gates.name();
  const waiting = pool.run("wait", name);
  await gates.heard("started", name);
  await assertRejects(() => pool.run("close", undefined), RpcError);
  gates.open(name);
  assertEquals(await waiting, name);
});

Deno.test("WorkerPool backs off when a worker dies again and again", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("faulty_worker.ts", { onEvent: observer.observe });
  for (let round = 0; round < 3; round++) {
    await assertRejects(() => pool.run("close", undefined), RpcError);
  }
  const crashes = await observer.count("crashed", 3);
  assertEquals(crashes.map((event) => "restartInMs" in event && event.restartInMs), [0, 100, 200]);
});

Deno.test("WorkerPool forgets old crashes once a task has run", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("faulty_worker.ts", { onEvent: observer.observe });
  for (let round = 0; round < 3; round++) {
    await assertRejects(() => pool.run("close", undefined), RpcError);
    await pool.run("echo", round);
  }
  const crashes = await observer.count("crashed", 3);
  assertEquals(crashes.map((event) => "restartInMs" in event && event.restartInMs), [0, 0, 0]);
});
