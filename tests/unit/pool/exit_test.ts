import { assertEquals } from "../../../deps/std_assert.ts";

/** Runs a program that must exit by itself: Deno's sanitizers do not see a worker that is left. */
async function runOwner(...procedures: string[]): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--allow-read",
      new URL("../../fixtures/workers/pool_owner.ts", import.meta.url).href,
      "faulty_worker.ts",
      ...procedures,
    ],
    signal: AbortSignal.timeout(10_000),
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout).trim() };
}

Deno.test("WorkerPool lets its process exit after close()", async () => {
  assertEquals(await runOwner("echo"), { code: 0, stdout: "closing" });
});

Deno.test("WorkerPool lets its process exit after crashes", async () => {
  assertEquals(await runOwner("close", "exit", "throwInTimer", "echo"), {
    code: 0,
    stdout: "closing",
  });
});
