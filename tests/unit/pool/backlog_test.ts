import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { Backlog } from "../../../workers/pool/backlog.ts";
import { PoolProcedures } from "../../../workers/pool/procedures.ts";
import { Task } from "../../../workers/pool/task.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import { Gates, openPool } from "./pool_helpers.ts";

const procedures = new PoolProcedures({
  limits: { limited: { maxConcurrent: 1 } },
  timeLimitMs: undefined,
});

function task(order: number, procedure = "p", priority = 0): Task {
  return new Task(order, procedures.get(procedure), { body: "", priority });
}

function tasks(count: number): Task[] {
  return Array.from({ length: count }, (_, order) => task(order));
}

function drop(backlog: Backlog, task: Task): void {
  task.reply.catch(() => {});
  task.fail(new Error("dropped"));
  backlog.drop();
}

Deno.test("Backlog.shift() gives tasks in the order of push()", () => {
  const backlog = new Backlog();
  const expected = tasks(5_000);
  for (const task of expected) backlog.push(task);
  assertEquals(backlog.size, 5_000);
  for (const task of expected) assertEquals(backlog.shift()?.id, task.id);
  assertEquals([backlog.size, backlog.shift()], [0, undefined]);
});

Deno.test("Backlog.restore() puts tasks where they were", () => {
  const backlog = new Backlog();
  const all = tasks(6);
  for (const task of all) backlog.push(task);
  const taken = all.slice(0, 4).map(() => backlog.shift());
  assertEquals(taken.map((task) => task?.order), [0, 1, 2, 3]);
  backlog.restore([1, 3].flatMap((order) => all[order] ?? []));
  backlog.restore([0, 2].flatMap((order) => all[order] ?? []));
  assertEquals(backlog.clear().map(({ order }) => order), [0, 1, 2, 3, 4, 5]);
});

Deno.test("Backlog.peek() passes over a procedure that is full", () => {
  const backlog = new Backlog();
  const limited = procedures.get("limited");
  backlog.push(task(1, "limited", 9));
  backlog.push(task(2, "p", 5));
  backlog.push(task(3, "limited", 5));
  assertEquals(backlog.peek()?.order, 1);
  limited.held = 1;
  assertEquals(backlog.shift()?.order, 2);
  assertEquals([backlog.peek(), backlog.size], [undefined, 2]);
  limited.held = 0;
  assertEquals([backlog.shift()?.order, backlog.shift()?.order, backlog.size], [1, 3, 0]);
});

Deno.test("Backlog.drop() counts a settled task out", () => {
  const backlog = new Backlog();
  const all = tasks(3);
  for (const task of all) backlog.push(task);
  for (const task of all.slice(0, 2)) drop(backlog, task);
  assertEquals(backlog.size, 1);
  assertEquals([backlog.shift()?.id, backlog.size], [2, 0]);
});

Deno.test("Backlog.drop() frees the memory of many settled tasks", () => {
  const backlog = new Backlog();
  const all = tasks(5_000);
  for (const task of all) backlog.push(task);
  for (const task of all.slice(1)) drop(backlog, task);
  assertEquals([backlog.size, backlog.clear().length], [1, 1]);
});

Deno.test("WorkerPool.run() refuses a task when the backlog is full", async () => {
  using gates = new Gates();
  await using pool = await openPool<GatedContract>("gated_worker.ts", { maxBacklog: 2 });
  const name = gates.name();
  const accepted = [pool.run("wait", name), pool.run("echo", 1), pool.run("echo", 2)];
  const error = await assertRejects(() => pool.run("echo", 3), RpcError, "2 tasks wait");
  assertEquals([error.code, error.retryable], ["overloaded", true]);
  gates.open(name);
  assertEquals(await Promise.all(accepted), [name, 1, 2]);
  assertEquals(await pool.run("echo", 3), 3);
});

Deno.test("WorkerPool.run() needs no backlog while a worker is idle", async () => {
  await using pool = await openPool<GatedContract>("gated_worker.ts", { maxBacklog: 0 });
  assertEquals(await pool.run("echo", 1), 1);
});
