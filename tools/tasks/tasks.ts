import { withBroker } from "../brokers/broker_env.ts";
import { takeBrokers } from "../brokers/named_broker.ts";
import {
  isRabbitmqVersion,
  provideRabbitmq,
  RABBITMQ_VERSIONS,
} from "../brokers/rabbitmq_versions.ts";
import { runDeno } from "./deno_child.ts";
import { runSteps, type Step } from "./ok.ts";
import { entryModules, isPath, markdownFiles, typescriptFiles } from "./package_files.ts";
import type { Task, TaskContext } from "./task.ts";
import { countLine, reportLines, type TestReport } from "./test_report.ts";
import { runTests, runUnitTests, testSteps } from "./test_runs.ts";
import { say } from "./say.ts";

/** Everything that `deno task` can do here, by name. */
export const TASKS: ReadonlyMap<string, Task> = new Map<string, Task>([
  ["demo", withBroker(program("tools/demo/demo.ts"))],
  ["test", async (context) => conclude(await runTests(context))],
  ["test:unit", async (context) => conclude(await runUnitTests(context))],
  ["bench", withBroker(inTurn(program("bench/rpc.ts"), program("bench/broker_bench.ts")))],
  ["bench:rivals", withBroker(program("bench/rivals.ts"))],
  ["bench:pool", program("bench/pool_bench.ts")],
  ["bench:cpu", withBroker(program("bench/cpu.ts"))],
  ["bench:saturation", withBroker(program("bench/saturation.ts"))],
  ["bench:control", withBroker(program("bench/control.ts"))],
  ["bench:simulation", withBroker(program("bench/simulation.ts"))],
  ["bench:types", program("bench/types.ts")],
  ["bench:soak", program("bench/pool_soak.ts")],
  ["chaos", program("chaos/main.ts")],
  ["check", check],
  ["lint", lint],
  ["fmt", denoTask("fmt")],
  ["doc:lint", lintDocs],
  ["spell", spell],
  ["ok", ok],
  ["npm", program("tools/npm/main.ts")],
  ["docs:cli", program("tools/pages/main.ts")],
  ["sbom", program("tools/sbom/main.ts")],
  ["keep", program("tools/releases/keep.ts")],
  ["outdated", program("tools/releases/outdated.ts")],
  ["trip", program("tools/trip/main.ts")],
  ["warren", program("cli/main.ts")],
  ["broker", broker],
  ["rabbitmq", installRabbitmqs],
  ["deno", denoTask()],
]);

/** A program and no module: nothing of it is imported. */
const CSPELL = "npm:cspell@^10.4.1";

/** What CI runs before the tests, cheapest first. */
const STATIC_STEPS: readonly Step[] = [
  { name: "fmt --check", run: denoTask("fmt", "--check") },
  { name: "lint", run: lint },
  { name: "check", run: check },
  { name: "doc lint", run: lintDocs },
  { name: "spelling", run: spell },
  { name: "publish --dry-run", run: denoTask("publish", "--dry-run", "--allow-dirty") },
];

/** Makes a task that is a `deno` command with the user's arguments after it. */
function denoTask(...args: readonly string[]): Task {
  return (context) => runDeno([...args, ...context.args], context);
}

function program(module: string): Task {
  return denoTask("run", "--allow-all", module);
}

/** Makes a task of several, which ends with the first that fails. */
function inTurn(...tasks: readonly Task[]): Task {
  return async (context) => {
    for (const task of tasks) {
      const code = await task(context);
      if (code !== 0) return code;
    }
    return 0;
  };
}

/** Programs and tests may print; the library tells its observer instead. */
const PRINTING_FOLDERS = ["bench", "chaos", "examples", "tests", "tools"];

async function lint(context: TaskContext): Promise<number> {
  if (context.args.some(isPath)) return await runDeno(["lint", ...context.args], context);
  const programs = ["lint", ...PRINTING_FOLDERS, ...context.args];
  const ignored = `--ignore=${PRINTING_FOLDERS.join(",")}`;
  const library = ["lint", "--rules-include=no-console", ignored, ...context.args];
  return Math.max(await runDeno(library, context), await runDeno(programs, context));
}

/** Type-checks all modules with the examples in their comments, then those in Markdown files. */
async function check(context: TaskContext): Promise<number> {
  const modules = await runDeno(
    ["check", "--doc", ...await typescriptFiles(), ...context.args],
    context,
  );
  const markdown = await runDeno(["check", "--doc-only", ...await markdownFiles()], context);
  return Math.max(modules, markdown);
}

async function lintDocs(context: TaskContext): Promise<number> {
  return await runDeno(["doc", "--lint", ...await entryModules()], context);
}

/** What users read: the pages, and the code with its comments. `.cspell.json` has our own words. */
const SPELLED = ["*.md", "docs/*.md", "*.ts", "{cli,examples,extras,internal}/**/*.ts"]
  .concat("{options,testing,workers}/**/*.ts");

async function spell(context: TaskContext): Promise<number> {
  const flags = ["--no-progress", "--no-summary", "--show-suggestions"];
  const { args } = context;
  const files = args.length === 0 ? SPELLED : args;
  return await runDeno(["run", "--allow-all", CSPELL, "lint", ...flags, ...files], context);
}

async function ok(context: TaskContext): Promise<number> {
  const { names, rest: args } = takeBrokers(context.args);
  const tests = names.length === 0 ? [{ name: "test", run: runTests }] : testSteps(names);
  const { code, summary } = await runSteps([...STATIC_STEPS, ...tests], { ...context, args });
  await print(["", ...summary]);
  return code;
}

function conclude(report: TestReport): number {
  for (const line of [...reportLines(report), countLine(report)]) say(line);
  return report.failed.length === 0 ? 0 : 1;
}

/** Keeps a broker, or runs the embedded one as users do, with the options of its program. */
async function broker(context: TaskContext): Promise<number> {
  const { names, rest } = takeBrokers(context.args);
  if (rest.length === 0) return await withBroker(keepBroker)(context);
  if (names.length === 1 && names[0] === "embedded") {
    return await program("testing/main.ts")({ ...context, args: rest });
  }
  throw new TypeError(
    `Cannot keep a broker as only "--broker embedded" takes options: "${rest.join(" ")}"`,
  );
}

/** Keeps a broker until Ctrl-C, for programs in other terminals. */
async function keepBroker(context: TaskContext): Promise<number> {
  say("In another terminal: export the next line; Ctrl-C here ends the broker");
  await print([`AMQP_URL=${context.env.AMQP_URL}`]);
  const { signal } = context.interruption;
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  return 0;
}

/** Puts releases of RabbitMQ into a cache, unless they are there, and tells where they are. */
async function installRabbitmqs({ args }: TaskContext): Promise<number> {
  const unknown = args.find((arg) => !isRabbitmqVersion(arg));
  if (args.length === 0 || unknown !== undefined) {
    throw new TypeError(
      `Cannot install RabbitMQ "${unknown ?? ""}" as there are only: ${
        RABBITMQ_VERSIONS.join(", ")
      }`,
    );
  }
  for (const version of args.filter(isRabbitmqVersion)) {
    await print([`WARREN_RABBITMQ=${(await provideRabbitmq(version)).root}`]);
  }
  return 0;
}

/** Results go to stdout, unlike what `say()` tells. */
async function print(lines: readonly string[]): Promise<void> {
  const blob = new Blob([`${lines.join("\n")}\n`]);
  await blob.stream().pipeTo(Deno.stdout.writable, { preventClose: true });
}
