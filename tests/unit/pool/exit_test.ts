import { assertEquals } from "../../../deps/std_assert.ts";

/** Runs a program that must exit by itself: Deno's sanitizers do not see a worker that is left. */
async function runOwner(
  fixture: string,
  ...args: string[]
): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-read",
      new URL(`../../fixtures/workers/${fixture}`, import.meta.url).href,
      ...args,
    ],
    signal: AbortSignal.timeout(10_000),
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout).split("\n").at(-1) ?? "" };
}

Deno.test("WorkerPool lets its process exit after close()", async () => {
  assertEquals(await runOwner("pool_owner.ts", "faulty_worker.ts", "echo"), {
    code: 0,
    stdout: "closing",
  });
});

Deno.test("WorkerPool lets its process exit after crashes", async () => {
  assertEquals(
    await runOwner("pool_owner.ts", "faulty_worker.ts", "close", "exit", "throwInTimer", "echo"),
    {
      code: 0,
      stdout: "closing",
    },
  );
});

Deno.test("WorkerPool lets its owner exit past a thread that never stops", async () => {
  assertEquals(await runOwner("zombie_owner.ts"), { code: 0, stdout: "timeout, 1 zombie" });
});
