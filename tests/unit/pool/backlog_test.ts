import { assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { Backlog } from "../../../workers/pool/backlog.ts";
import { Task } from "../../../workers/pool/task.ts";
import type { GatedContract } from "../../fixtures/workers/gated_worker.ts";
import { Gates, openPool } from "./pool_helpers.ts";

function tasks(count: number): Task[] {
  return Array.from(
    { length: count },
    (_, id) => new Task(id, { procedure: "p", body: "" }, () => {}),
  );
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

Deno.test("Backlog.unshift() puts tasks before all others", () => {
  const backlog = new Backlog();
  const [first, second, third, fourth] = tasks(4);
  for (const task of [third, fourth]) if (task) backlog.push(task);
  backlog.unshift([first, second].flatMap((task) => task ?? []));
  assertEquals(backlog.clear().map(({ id }) => id), [0, 1, 2, 3]);
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
