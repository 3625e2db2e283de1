import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "../../../deps/std_assert.ts";
import { RpcError, RpcRemoteError } from "../../../errors.ts";
import type { PlainContract } from "../../fixtures/workers/plain_worker.ts";
import { openPool } from "./pool_helpers.ts";

Deno.test("WorkerPool.run() gives the output of a procedure", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  assertEquals(await pool.run("echo", { list: [1, "two", null] }), { list: [1, "two", null] });
});

Deno.test("WorkerPool.run() awaits a procedure that is async", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  assertEquals(await pool.run("addLater", { a: 2, b: 3 }), 5);
});

Deno.test("WorkerPool.run() keeps big integers exact both ways", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  assertEquals(await pool.run("echo", 2n ** 70n), 2n ** 70n);
});

Deno.test("WorkerPool.run() carries undefined in and out", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  assertEquals(await pool.run("echo", undefined), undefined);
});

Deno.test("WorkerPool.run() carries outputs of every size", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  for (const times of [1, 8_190, 8_191, 100_000, 1_000_000]) {
    assertEquals(await pool.run("repeat", { text: "é", times }), "é".repeat(times));
  }
});

Deno.test("WorkerPool.run() tells what the procedure threw", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const error = await assertRejects(() => pool.run("throwOwn", undefined), RpcRemoteError);
  assertEquals(error.code, "out-of-stock");
  assertEquals(error.remoteName, "OutOfStockError");
  assertEquals(error.message, "Cannot sell as the shelf is empty");
  assertEquals(error.details, { left: 0 });
});

Deno.test("WorkerPool.run() tells what an async procedure rejected with", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const error = await assertRejects(() => pool.run("reject", undefined), RpcRemoteError, "later");
  assertEquals([error.remoteName, error.code], ["TypeError", "handler-error"]);
});

Deno.test("WorkerPool.run() says that details could not be encoded", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const error = await assertRejects(
    () => pool.run("throwUnencodableDetails", undefined),
    RpcRemoteError,
    "Cannot sell as the shelf is empty (its details cannot be encoded)",
  );
  assertEquals([error.code, error.details], ["out-of-stock", undefined]);
});

Deno.test("WorkerPool.run() survives an error that cannot be read", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const error = await assertRejects(() => pool.run("throwHostile", undefined), RpcRemoteError);
  assertEquals(error.code, "handler-error");
  assertEquals(await pool.run("echo", 1), 1);
});

Deno.test("WorkerPool.run() refuses an output that is not data", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const error = await assertRejects(() => pool.run("returnFunction", undefined), RpcRemoteError);
  assertEquals(error.code, "unencodable");
});

Deno.test("WorkerPool.run() refuses an input that is not data", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  const error = await assertRejects(() => pool.run("echo", new Date()), RpcError);
  assertEquals(error.code, "unencodable");
});

Deno.test("WorkerPool.run() survives a stack overflow", async () => {
  await using pool = await openPool("faulty_worker.ts");
  const error = await assertRejects(() => pool.run("overflow", undefined), RpcRemoteError);
  assertStringIncludes(error.message, "Maximum call stack size exceeded");
  assertEquals(pool.stats().crashes, 0);
});

Deno.test("WorkerPool.run() refuses an unknown procedure by name", async () => {
  await using pool = await openPool("odd_names_worker.ts");
  for (const name of ["nope", "hasOwnProperty", "valueOf"]) {
    const error = await assertRejects(() => pool.run(name, 1), RpcRemoteError, `"${name}"`);
    assertEquals(error.code, "unknown-procedure");
  }
});

Deno.test("WorkerPool.run() finds procedures with names of Object's own", async () => {
  await using pool = await openPool("odd_names_worker.ts");
  for (const name of ["__proto__", "constructor", "toString", "then"]) {
    assertEquals(await pool.run(name, 1), `own ${name}`);
  }
});

Deno.test("WorkerPool.run() spreads tasks over all workers", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts", { maxWorkers: 2 });
  const ids = await Promise.all([pool.run("workerId", undefined), pool.run("workerId", undefined)]);
  assertEquals(new Set(ids).size, 2);
});

Deno.test("WorkerPool.run() settles 10,000 tasks, each with its own output", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts", { maxWorkers: 2 });
  const inputs = Array.from({ length: 10_000 }, (_, index) => index);
  assertEquals(await Promise.all(inputs.map((input) => pool.run("echo", input))), inputs);
  const { done, backlog, idle } = pool.stats();
  assertEquals({ done, backlog, idle }, { done: 10_000, backlog: 0, idle: 2 });
  assertInstanceOf(pool.run("echo", 1), Promise);
});

Deno.test("WorkerPool.run() refuses options out of range", async () => {
  await using pool = await openPool<PlainContract>("plain_worker.ts");
  for (const timeoutMs of [0, -1, NaN, Infinity, 2 ** 31]) {
    const run = () => pool.run("echo", 1, { timeoutMs });
    await assertRejects(
      run,
      RangeError,
      'Cannot run a task as "timeoutMs" must be an integer from 1',
    );
  }
  for (const priority of [-1, 10, 0.5, NaN]) {
    await assertRejects(() => pool.run("echo", 1, { priority }), RangeError, '"priority"');
  }
  assertEquals(pool.stats().runMs.count, 0);
});
