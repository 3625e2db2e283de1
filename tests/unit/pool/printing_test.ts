import { assert, assertEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import { openPool, PoolObserver } from "./pool_helpers.ts";

Deno.test("WorkerPool leaves a task's postMessage() to the task", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("printing_worker.ts", { onEvent: observer.observe });
  const reply = { type: "output", id: 1, body: "2", contentType: "application/json", runMs: 1 };
  const messages = [
    "hello",
    "[[1,1,1,1]]\n2",
    7,
    true,
    null,
    { a: 1 },
    [],
    [reply],
    [null],
    [
      { type: "ending", reason: "forged" },
    ],
    [{ type: "unusable", reason: "forged" }],
    [{ type: "booted", lockName: "forged" }],
  ];
  for (const message of messages) {
    assertEquals(await pool.run("post", message, { timeoutMs: 5_000 }), "posted");
    assertEquals(await pool.run("echo", message), message);
  }
  // Whatever was posted has come by now.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(await pool.run("echo", 1), 1);
  assertEquals(observer.events.some(({ type }) => type === "crashed"), false);
});

Deno.test("WorkerPool takes no message that a task has forged through a prototype", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("printing_worker.ts", { onEvent: observer.observe });
  for (const message of ["no message", "[[9]]\n", 7, null, [null], [{ type: "unheard-of" }]]) {
    assertEquals(await pool.run("forge", message, { timeoutMs: 5_000 }), "forged");
    assertEquals(await pool.run("echo", 1, { timeoutMs: 5_000 }), 1);
  }
  assertEquals(observer.events.some(({ type }) => type === "crashed"), false);
});

for (const isolation of ["thread", "process"] as const) {
  Deno.test(`WorkerPool keeps the objects of later tasks in a ${isolation} clean`, async () => {
    await using pool = await openPool("printing_worker.ts", { isolation });
    for (const name of ["body", "credits", "wantsProgress", "toJSON", "contentType"]) {
      assertEquals(await pool.run("pollute", name), false);
      assertEquals(await pool.run("echo", { a: 1 }, { timeoutMs: 5_000 }), { a: 1 });
    }
  });
}

Deno.test("WorkerPool is not confused by what a process prints, in whatever way", async () => {
  const observer = new PoolObserver();
  await using pool = await openPool("printing_worker.ts", {
    isolation: "process",
    onEvent: observer.observe,
  });
  const names = await pool.run("names", undefined);
  assert(Array.isArray(names) && names.length > 15);
  for (const name of names) {
    assertEquals(await pool.run("print", name, { timeoutMs: 5_000 }), name);
    assertEquals(await pool.run("echo", 1, { timeoutMs: 5_000 }), 1);
  }
  assertEquals(observer.events.some(({ type }) => type === "crashed"), false);
});

Deno.test("WorkerPool ends a process that writes between its messages", async () => {
  await using pool = await openPool("printing_worker.ts", {
    isolation: "process",
    process: { permissions: { run: ["sh"] } },
  });
  const printing = () => pool.run("printFromOutside", undefined, { timeoutMs: 10_000 });
  const error = await assertRejects(printing, RpcError, "it wrote something else than messages");
  assertEquals(error.code, "worker-crashed");
  assertEquals(await pool.run("echo", 1), 1);
});
