import { startEmbeddedBroker } from "../brokers/broker.ts";
import { brokerEnv } from "../brokers/broker_env.ts";
import { runDeno } from "./deno_child.ts";
import { isPath } from "./package_files.ts";
import { say } from "./say.ts";
import type { TaskContext } from "./task.ts";
import { readTestReport, sumReports, type TestReport } from "./test_report.ts";

/** Tests that measure or that start brokers of their own: nothing may run beside them. */
const SERIAL_FOLDERS = ["tests/tools", "tests/serial"];

/** Tests that need no broker. */
const UNIT_FOLDERS = ["tests/unit", "tests/architecture"];

/** Tests of what clients and servers do with a broker: they hold for both brokers. */
const BROKER_FOLDERS = ["tests/integration", "tests/examples"];

/** One `deno test`, with the broker that was found or with the embedded one. */
interface TestRun {
  readonly args: readonly string[];
  readonly broker: "found" | "embedded";
}

const ALL_RUNS: readonly TestRun[] = [
  { args: ["--parallel", `--ignore=${SERIAL_FOLDERS.join(",")}`], broker: "found" },
  { args: ["--parallel", ...BROKER_FOLDERS], broker: "embedded" },
  { args: SERIAL_FOLDERS, broker: "found" },
];

/**
 * Runs the tests: all of them, or those that the arguments name.
 *
 * Arguments that name files or folders make one run with just these; others, such as `--filter`,
 * go to every run.
 */
export async function runTests(context: TaskContext): Promise<TestReport> {
  if (context.args.some(isPath)) return await runEach([{ args: [], broker: "found" }], context);
  const isEmbedded = context.env.WARREN_BROKER === "embedded broker";
  const runs = isEmbedded ? ALL_RUNS.filter(({ broker }) => broker === "found") : ALL_RUNS;
  return await runEach(runs, context);
}

/** Runs the tests that need no broker. */
export async function runUnitTests(context: TaskContext): Promise<TestReport> {
  const args = ["--parallel", ...UNIT_FOLDERS];
  return await runEach([{ args, broker: "found" }], context);
}

async function runEach(runs: readonly TestRun[], context: TaskContext): Promise<TestReport> {
  const reports: TestReport[] = [];
  for (const { args, broker } of runs) {
    const run = broker === "found" ? runOnce : runEmbedded;
    reports.push(await run([...args, ...context.args], context));
  }
  return sumReports(reports);
}

async function runEmbedded(args: readonly string[], context: TaskContext): Promise<TestReport> {
  await using broker = await startEmbeddedBroker();
  say("The same tests on the embedded broker");
  return await runOnce(args, { ...context, env: { ...context.env, ...brokerEnv(broker) } });
}

async function runOnce(args: readonly string[], context: TaskContext): Promise<TestReport> {
  const junitPath = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const code = await runDeno(
      ["test", "--allow-all", "--permit-no-files", `--junit-path=${junitPath}`, ...args],
      context,
    );
    return readTestReport(await Deno.readTextFile(junitPath), code);
  } finally {
    await Deno.remove(junitPath);
  }
}
