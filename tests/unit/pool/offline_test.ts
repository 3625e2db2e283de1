import { testUnless } from "../../helpers/features.ts";
import { assertEquals, assertMatch } from "../../../deps/std_assert.ts";
import { type RegistryProject, startRegistryProject } from "../../helpers/registry_project.ts";

const MAIN = `
import { RpcServer } from "@warren/rpc";
import { WorkerPool } from "@warren/rpc/workers";
import type { DoubleContract } from "./worker.ts";

const url = new URL("./worker.ts", import.meta.url);
for (const isolation of ["thread", "process"] as const) {
  await using pool = await WorkerPool.open<DoubleContract>(url, { isolation, maxWorkers: 1 });
  console.log(isolation, await pool.run("double", 21));
}
console.log(typeof RpcServer.listen);
`;

const WORKER = `
import { expose } from "@warren/rpc/workers/runtime";

const procedures = { double: (n: number) => 2 * n };
export type DoubleContract = typeof procedures;

expose(procedures);
`;

async function startProject(
  settings?: Readonly<Record<string, unknown>>,
): Promise<RegistryProject> {
  const project = await startRegistryProject(settings);
  await project.write("main.ts", MAIN);
  await project.write("worker.ts", WORKER);
  return project;
}

/** Runs the program where only what was fetched before is there. */
async function runOffline(project: RegistryProject): Promise<void> {
  await project.goOffline();
  const { code, stdout, stderr } = await project.deno("run", "-A", "--cached-only", "main.ts");
  assertEquals([code, stdout, stderr], [0, "thread 42\nprocess 42\nfunction\n", ""]);
}

for (const command of [["cache"], ["install", "--entrypoint"]]) {
  Deno.test(`A pool from a registry starts offline after deno ${command.join(" ")}`, async () => {
    await using project = await startProject();
    const { code, stderr } = await project.deno(...command, "--quiet", "main.ts", "worker.ts");
    assertEquals([code, stderr], [0, ""]);
    await runOffline(project);
  });
}

Deno.test('A pool from a registry starts offline from a folder of "vendor": true', async () => {
  await using project = await startProject({ vendor: true });
  const args = ["install", "--quiet", "--entrypoint", "main.ts", "worker.ts"];
  const { code, stderr } = await project.deno(...args);
  assertEquals([code, stderr], [0, ""]);
  await Deno.remove(`${project.folder}/.cache/remote`, { recursive: true }).catch(() => {});
  await runOffline(project);
});

Deno.test("A compiled program is told that it cannot have worker processes", async () => {
  await using project = await startProject();
  // What "deno compile" makes needs a download of Deno's to be run: this is all that it tells.
  await project.write(
    "compiled.ts",
    `Object.defineProperty(Deno, "build", { value: { ...Deno.build, standalone: true } });
Object.defineProperty(Deno, "execPath", { value: () => "/compiled/program" });
${MAIN}`,
  );
  const { code, stdout, stderr } = await project.deno("run", "-A", "--quiet", "compiled.ts");
  assertEquals([code, stdout], [1, "thread 42\n"]);
  assertMatch(
    stderr,
    /TypeError: Cannot open a pool of processes in a program that "deno compile" made .*"thread"/,
  );
});

Deno.test(
  testUnless(
    await whyNotCompiled(),
    "A compiled program has threads, if its worker file is included",
    async () => {
      await using project = await startProject();
      await project.write("threads.ts", MAIN.replace(', "process"', ""));
      const args = ["--quiet", "-A", "--include", "worker.ts", "--output", "program", "threads.ts"];
      const { code, stderr } = await project.deno("compile", ...args);
      assertEquals([code, stderr], [0, ""]);
      await project.goOffline();
      const program = new Deno.Command(`${project.folder}/program`, { stdin: "null" });
      assertEquals(
        new TextDecoder().decode((await program.output()).stdout),
        "thread 42\nfunction\n",
      );
    },
  ),
);

/** `deno compile` downloads what it puts programs into, unless a variable names it. */
async function whyNotCompiled(): Promise<string | undefined> {
  const path = Deno.env.get("DENORT_BIN");
  const isThere = path !== undefined && await Deno.stat(path).then(() => true, () => false);
  return isThere ? undefined : "DENORT_BIN names no file";
}
