import { runDeno } from "./deno_child.ts";
import { isPath } from "./package_files.ts";
import { ROOT } from "./root.ts";
import type { TaskContext } from "./task.ts";
import { EMPTY_REPORT, readTestReport, sumReports, type TestReport } from "./test_report.ts";

/** Tests that measure or that start brokers of their own: nothing may run beside them. */
const SERIAL_FOLDERS = ["tests/tools", "tests/serial"];

/** The arguments of each `deno test` that a full run consists of. */
const ALL_RUNS: readonly (readonly string[])[] = [
  ["--parallel", `--ignore=${SERIAL_FOLDERS.join(",")}`],
  SERIAL_FOLDERS,
];

/**
 * Runs the tests: all of them, or those that the arguments name.
 *
 * Arguments that name files or folders make one run with just these; others, such as `--filter`,
 * go to every run.
 */
export async function runTests(context: TaskContext): Promise<TestReport> {
  const runs = context.args.some(isPath) ? [[]] : ALL_RUNS;
  return await runEach(runs, context);
}

/** Runs the tests that need no broker. */
export async function runUnitTests(context: TaskContext): Promise<TestReport> {
  return await runEach([["--parallel", ...await unitTestPaths()]], context);
}

async function runEach(
  runs: readonly (readonly string[])[],
  context: TaskContext,
): Promise<TestReport> {
  const reports: TestReport[] = [];
  for (const run of runs) {
    const paths = run.filter((arg) => arg.startsWith("-") || isPath(arg));
    // All of this run's folders may still be missing.
    if (run.length > 0 && paths.length === 0) continue;
    reports.push(await runOnce([...paths, ...context.args], context));
  }
  return reports.length === 0 ? EMPTY_REPORT : sumReports(reports);
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

/** `tests/unit`, and the test files beside it, such as that of the architecture. */
async function unitTestPaths(): Promise<string[]> {
  const paths = ["tests/unit"];
  for await (const { name } of Deno.readDir(new URL("tests/", ROOT))) {
    if (name.endsWith("_test.ts")) paths.push(`tests/${name}`);
  }
  return paths;
}
