import { assertEquals, assertFalse, assertRejects } from "../../../deps/std_assert.ts";
import { RpcTimeoutError } from "../../../errors.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import { encodedRequest, Gates, insideOf, openPool } from "./pool_helpers.ts";

function openGated() {
  return openPool<GatedContract>("gated_worker.ts");
}

Deno.test("WorkerPool.run() rejects at once when its signal has aborted", async () => {
  await using pool = await openGated();
  const signal = AbortSignal.abort(new Error("never mind"));
  await assertRejects(() => pool.run("echo", 1, { signal }), Error, "never mind");
});

Deno.test("WorkerPool.run() does not start a task that was aborted", async () => {
  using gates = new Gates();
  await using pool = await openGated();
  const [first, second] = [gates.name(), gates.name()];
  const running = pool.run("wait", first);
  await gates.heard("started", first);
  const controller = new AbortController();
  const aborted = pool.run("wait", second, { signal: controller.signal });
  controller.abort(new Error("never mind"));
  await assertRejects(() => aborted, Error, "never mind");
  assertEquals(pool.stats().backlog, 0);
  gates.open(first);
  await running;
  assertEquals(await pool.run("echo", 1), 1);
  assertFalse(gates.hasHeard("started", second));
});

Deno.test("WorkerPool.run() tells a running task of its abort", async () => {
  using gates = new Gates();
  await using pool = await openGated();
  const name = gates.name();
  const controller = new AbortController();
  const running = pool.run("waitForAbort", name, { signal: controller.signal });
  await gates.heard("started", name);
  controller.abort(new Error("never mind"));
  await assertRejects(() => running, Error, "never mind");
  await gates.heard("aborted", name);
  assertEquals(await pool.run("echo", 1), 1);
  assertEquals(pool.stats().cancelled, 1);
});

Deno.test("WorkerPool.run() rejects when its time is over", async () => {
  using gates = new Gates();
  await using pool = await openGated();
  const name = gates.name();
  const error = await assertRejects(
    () => pool.run("waitForAbort", name, { timeoutMs: 50 }),
    RpcTimeoutError,
  );
  assertEquals([error.procedure, error.timeoutMs], ["waitForAbort", 50]);
  await gates.heard("aborted", name);
});

Deno.test("WorkerPool.run() takes its listener off the signal", async () => {
  await using pool = await openGated();
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  for (let round = 0; round < 10; round++) await pool.run("echo", round, { signal });
  assertEquals(listeners, 0);
});

Deno.test("EncodedHandler.handle() passes the abort of its context on", async () => {
  using gates = new Gates();
  await using pool = await openGated();
  const name = gates.name();
  const controller = new AbortController();
  const request = encodedRequest("waitForAbort", JSON.stringify(name), {
    signal: controller.signal,
  });
  const handled = insideOf(pool.handlers().waitForAbort).handle(request);
  await gates.heard("started", name);
  controller.abort(new Error("the caller left"));
  await assertRejects(() => handled, Error, "the caller left");
  await gates.heard("aborted", name);
});
