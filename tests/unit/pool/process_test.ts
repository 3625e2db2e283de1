import { testUnless } from "../../helpers/features.ts";
import { assert, assertEquals, assertNotEquals, assertRejects } from "../../../deps/std_assert.ts";
import { RpcError } from "../../../errors.ts";
import type { ProcessOptions } from "../../../workers/mod.ts";
import { openPool } from "./pool_helpers.ts";

function openProcess(process: ProcessOptions = {}) {
  return openPool("process_worker.ts", { isolation: "process", process });
}

const onWindows = Deno.build.os === "windows" ? "Windows has no shell for it" : undefined;

Deno.test("WorkerPool runs tasks in processes of their own", async () => {
  await using pool = await openProcess();
  const pid = await pool.run("pid", undefined);
  assertEquals(typeof pid, "number");
  assertNotEquals(pid, Deno.pid);
});

Deno.test("WorkerPool carries bodies of every size to a process", async () => {
  await using pool = await openPool("matrix_worker.ts", { isolation: "process" });
  for (const length of [0, 1, 4_095, 65_536, 1_000_000]) {
    const text = "ö".repeat(length);
    assertEquals(await pool.run("echo", text), text);
  }
});

Deno.test("WorkerPool settles 5,000 tasks in processes, each with its own", async () => {
  await using pool = await openPool("matrix_worker.ts", { isolation: "process", maxWorkers: 2 });
  const inputs = Array.from({ length: 5_000 }, (_, index) => index);
  assertEquals(await Promise.all(inputs.map((input) => pool.run("echo", input))), inputs);
});

Deno.test("WorkerPool gives a process no permission unless asked", async () => {
  await using pool = await openProcess();
  for (const procedure of ["readSelf", "fetchNothing"]) {
    await assertRejects(() => pool.run(procedure, undefined), RpcError, "Requires");
  }
});

Deno.test("WorkerPool gives a process the permissions asked for", async () => {
  await using pool = await openProcess({ permissions: { read: true, net: ["127.0.0.1"] } });
  assertEquals(await pool.run("readSelf", undefined), true);
  await assertRejects(() => pool.run("fetchNothing", undefined), RpcError, "fetch failed");
});

Deno.test(
  testUnless(
    onWindows,
    "WorkerPool hands a process no environment but what it may see",
    async () => {
      Deno.env.set("WARREN_TEST_SECRET", "a b'\"$(c)`d`");
      using cleanup = new DisposableStack();
      cleanup.defer(() => Deno.env.delete("WARREN_TEST_SECRET"));
      const run = ["env"];
      await using strict = await openProcess({ permissions: { run } });
      const names = await strict.run("environment", undefined);
      assert(Array.isArray(names) && names.includes("HOME") === Deno.env.has("HOME"));
      assertEquals(names.includes("WARREN_TEST_SECRET"), false);
      const env = ["WARREN_TEST_SECRET", "WARREN_TEST_MISSING"];
      await using open = await openProcess({ permissions: { run, env } });
      assertEquals(await open.run("variable", env[0]), "a b'\"$(c)`d`");
      assertEquals(await open.run("variable", env[1]), undefined);
      await assertRejects(() => open.run("variable", "HOME"), RpcError, "Requires env access");
      await using wide = await openProcess({ permissions: { run, env: true } });
      assertEquals(await wide.run("variable", "WARREN_TEST_SECRET"), "a b'\"$(c)`d`");
    },
  ),
);

Deno.test("WorkerPool.open() refuses names of variables that are none", async () => {
  for (const name of ["", "A B", "$(id)", "A=1"]) {
    const opening = () => openProcess({ permissions: { env: [name] } });
    await assertRejects(opening, TypeError, `"permissions.env"`);
  }
});

Deno.test("WorkerPool lets a process import from no strange host", async () => {
  const url = "https://esm.sh/nothing";
  for (const permissions of [{}, { import: false }, { import: ["deno.land"] }]) {
    await using pool = await openProcess({ permissions });
    await assertRejects(() => pool.run("importFrom", url), RpcError, "Requires import access");
  }
  await using pool = await openProcess({ permissions: { import: false } });
  const code = "data:text/javascript,export const one = 1";
  assertEquals(await pool.run("importFrom", code), ["one"]);
});

Deno.test("WorkerPool is not confused by what a process logs", async () => {
  await using pool = await openProcess();
  assertEquals(await pool.run("log", "to the terminal"), "to the terminal");
});

Deno.test("WorkerPool tells a process of an abort", async () => {
  await using pool = await openPool("matrix_worker.ts", { isolation: "process" });
  await assertRejects(() => pool.run("rest", 100, { timeoutMs: 20 }), RpcError, "within 20 ms");
  assertEquals(await pool.run("echo", 1), 1);
});

Deno.test(
  testUnless(onWindows, "WorkerPool leaves no process behind when its own is killed", async () => {
    const owner = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--allow-all",
        new URL("../../fixtures/workers/killed_owner.ts", import.meta.url).href,
      ],
      stdout: "piped",
      stderr: "null",
      stdin: "null",
    }).spawn();
    const pids: unknown = JSON.parse(await firstLine(owner.stdout));
    assert(Array.isArray(pids) && pids.length === 2 && pids.every(isAlive));
    owner.kill("SIGKILL");
    await owner.status;
    const limit = AbortSignal.timeout(5_000);
    while (pids.some(isAlive)) {
      limit.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }),
);

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text;
}

/** A process that is gone may be a zombie until its new parent looks at it. */
function isAlive(pid: number): boolean {
  const { success, stdout } = new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] })
    .outputSync();
  return success && !new TextDecoder().decode(stdout).trim().startsWith("Z");
}

Deno.test("WorkerPool lets a process import from JSR, or its mirror", async () => {
  await using pool = await openProcess({ permissions: { read: true } });
  const module = import.meta.resolve("../../../deps/std_uuid.ts");
  assertEquals(await pool.run("importFrom", module), ["generate"]);
});
