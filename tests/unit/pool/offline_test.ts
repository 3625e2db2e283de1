import { Buffer } from "node:buffer";
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
  ...options: Parameters<typeof startRegistryProject>
): Promise<RegistryProject> {
  const project = await startRegistryProject(...options);
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

const COMMANDS = [["cache"], ["install", "--entrypoint"]] as const;
for (const command of COMMANDS) {
  const name = `deno ${command.join(" ")}`;
  Deno.test(`A pool from a registry starts offline after ${name}`, async () => {
    await using project = await startProject();
    const { code, stderr } = await project.deno(...command, "--quiet", "main.ts", "worker.ts");
    assertEquals([code, stderr], [0, ""]);
    await runOffline(project);
  });

  Deno.test(`A pool starts offline from what ${name} vendors`, async () => {
    await using project = await startProject({ vendor: true });
    const { code, stderr } = await project.deno(...command, "--quiet", "main.ts", "worker.ts");
    assertEquals([code, stderr], [0, ""]);
    await Deno.remove(`${project.folder}/.cache/remote`, { recursive: true }).catch(() => {});
    await runOffline(project);
  });
}

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

const COMPILED = `
import { RpcClient, RpcServer } from "@warren/rpc";
import { TestBroker } from "@warren/rpc/testing";
import { WorkerPool } from "@warren/rpc/workers";
import type { DoubleContract } from "./worker.ts";

const url = new URL("./worker.ts", import.meta.url);
await using broker = await TestBroker.start();
await using pool = await WorkerPool.open<DoubleContract>(url, { maxWorkers: 1 });
const options = { queue: "numbers", handlers: pool.handlers(), log: false };
await using _server = await RpcServer.listen(broker.url, options);
await using client = await RpcClient.connect<DoubleContract>(broker.url, { queue: "numbers" });
console.log(Deno.build.standalone, await client.call("double", 21));
await WorkerPool.open(url, { isolation: "process" }).catch(({ name }) => console.log(name));
`;
/** What stands in the module that a thread begins with, and in no other. */
const THREAD = "Cannot load a worker file as this is not a Web Worker";
const COMPILE = ["compile", "--quiet", "-A", "--output", "program"];

Deno.test(
  testUnless(
    await whyNotCompiled(),
    "A compiled server answers from threads, if their file is included, and starts no processes",
    async () => {
      await using project = await startProject();
      await project.write("server.ts", COMPILED);
      const args = [...COMPILE, "--include", "worker.ts", "server.ts"];
      const { code, stderr } = await project.deno(...args);
      assertEquals([code, stderr], [0, ""]);
      await project.goOffline();
      assertEquals(await outputOf(`${project.folder}/program`), "true 42\nTypeError\n");
    },
  ),
);

Deno.test("deno compile packs what threads load, and the worker file if it is included", async () => {
  // Which program the modules are packed into makes no difference to which they are.
  const base = { DENORT_BIN: Deno.env.get("DENORT_BIN") ?? Deno.execPath() };
  await using project = await startProject({}, base);
  await project.write("server.ts", COMPILED);
  const cases = [[[], false], [["--include", "worker.ts"], true]] as const;
  for (const [included, hasWorker] of cases) {
    const { code, stderr } = await project.deno(...COMPILE, ...included, "server.ts");
    assertEquals([code, stderr], [0, ""]);
    const program = await Deno.readFile(`${project.folder}/program`);
    assertEquals([holds(program, THREAD), holds(program, "2 * n")], [true, hasWorker]);
  }
});

/** Whether a text stands anywhere in a program. */
function holds(program: Uint8Array, text: string): boolean {
  return Buffer.from(program.buffer).includes(text);
}

async function outputOf(program: string): Promise<string> {
  const { stdout } = await new Deno.Command(program, { stdin: "null" }).output();
  return new TextDecoder().decode(stdout);
}

/** `deno compile` downloads what it puts programs into, unless DENORT_BIN names it. */
async function whyNotCompiled(): Promise<string | undefined> {
  const folder = await Deno.makeTempDir({ prefix: "warren-compile-" });
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, "console.log(Deno.build.standalone);");
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["compile", "--quiet", "--output", "program", "main.ts"],
      cwd: folder,
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(60_000),
    }).output();
    if (success && await outputOf(`${folder}/program`) === "true\n") return undefined;
    return "deno compile cannot download its base";
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
