import { type Broker, startEmbeddedBroker } from "../brokers/broker.ts";
import { announcedBroker, brokerEnv, brokerLabel } from "../brokers/broker_env.ts";
import {
  type BrokerName,
  isEmbeddedName,
  startNamedBroker,
  takeBrokers,
} from "../brokers/named_broker.ts";
import {
  compareVersions,
  isRabbitmqVersion,
  type RabbitmqVersion,
} from "../brokers/rabbitmq_versions.ts";
import { runDeno } from "./deno_child.ts";
import { isPath } from "./package_files.ts";
import type { Step } from "./ok.ts";
import { startProgress } from "./progress.ts";
import { say } from "./say.ts";
import type { TaskContext } from "./task.ts";
import {
  BROKER_FOLDERS,
  EACH_ALONE,
  EACH_BESIDE,
  EMBEDDED,
  ENDS_BESIDE,
  ONCE,
  ONCE_BESIDE,
  ONCE_NEWEST,
  ONCE_NEWEST_BESIDE,
  type PlannedRun,
  RABBITMQ_FOLDERS,
  type RunArguments,
  SERIAL_FOLDERS,
  UNIT_FOLDERS,
} from "./test_plan.ts";
import { countLine, readTestReport, reportOn, sumReports, type TestReport } from "./test_report.ts";

const ALL_BUT_SERIAL: RunArguments = ["--parallel", `--ignore=${SERIAL_FOLDERS.join(",")}`];
const ON_EVERY_BROKER: RunArguments = ["--parallel", ...BROKER_FOLDERS];
const ON_RABBITMQ: RunArguments = ["--parallel", ...BROKER_FOLDERS, ...RABBITMQ_FOLDERS];

/** So many runs that start brokers go side by side; three take so much longer that nothing is won. */
const LANES = 2;

/** So many files of one run go side by side: they wait for a third of their time. */
const FILES = 3;

/** What a run of tests has to work with. */
interface TestContext extends TaskContext {
  /** Whether to keep what it prints until its end. */
  readonly isHeldBack?: boolean;
}

/**
 * Runs the tests: all of them, or those that the arguments name.
 *
 * Arguments that name files or folders make one run with just these; `--broker 4.0,embedded` runs
 * what needs a broker on each of those; others, such as `--filter`, go to every run.
 */
export async function runTests(context: TaskContext): Promise<TestReport> {
  const { names, rest: args } = takeBrokers(context.args);
  if (names.length === 0) return await runOnFound(context);
  const { signal } = context.interruption;
  const reports: TestReport[] = [];
  for (const name of names) {
    await using broker = await startNamedBroker(name, { signal });
    reports.push(await runOn(broker, { ...context, args }, runsOnNamed(broker, args)));
  }
  return sumReports(reports);
}

/** Runs the tests that need no broker. */
export async function runUnitTests(context: TaskContext): Promise<TestReport> {
  return await runOnce(["--parallel", ...UNIT_FOLDERS, ...context.args], context);
}

/** The runs of all tests on several brokers, each as a step that tells its time. */
export function testSteps(names: readonly BrokerName[]): Step[] {
  const versions = names.filter(isRabbitmqVersion);
  const [first] = versions;
  const [oldest, newest] = [0, -1].map((end) => versions.toSorted(compareVersions).at(end));
  const embedded = names.filter(isEmbeddedName).flatMap((name) => stepsOn(name, [EMBEDDED]));
  const alone = versions.flatMap((version) => stepsOn(version, EACH_ALONE));
  if (first === undefined || oldest === undefined || newest === undefined) return embedded;
  // The longest first.
  const beside = [
    ...ONCE_NEWEST_BESIDE.map((run) => [newest, run] as const),
    ...new Set([oldest, newest]).values().flatMap((version) => {
      return ENDS_BESIDE.map((run) => [version, run] as const);
    }),
    ...versions.flatMap((version) => EACH_BESIDE.map((run) => [version, run] as const)),
    ...ONCE_BESIDE.map((run) => [first, run] as const),
  ];
  const step = { name: "chaos, faults", run: (context: TaskContext) => runBeside(beside, context) };
  return [...stepsOn(first, ONCE), ...stepsOn(newest, ONCE_NEWEST), ...embedded, ...alone, step];
}

function stepsOn(name: BrokerName, runs: readonly PlannedRun[]): Step[] {
  return runs.map(({ title, args }) => ({
    name: `${name}: ${title}`,
    run: (context) => runOnNamed(name, context, args),
  }));
}

/** Runs some at a time, and tells the time of each. */
async function runBeside(
  runs: readonly (readonly [RabbitmqVersion, PlannedRun])[],
  context: TaskContext,
): Promise<TestReport> {
  const reports = await inLanes(
    LANES,
    runs.map(([version, { title, args }]) => async () => {
      const start = performance.now();
      const report = await runOnNamed(version, { ...context, isHeldBack: true }, args)
        .catch((error: unknown) => {
          context.interruption.signal.throwIfAborted();
          say(error instanceof Error ? error.message : String(error));
          return { passed: 0, failed: [`${title} on RabbitMQ ${version}`], skipped: [] };
        });
      const seconds = (performance.now() - start) / 1_000;
      say(`${version}: ${title}: ${countLine(report)} in ${seconds.toFixed(1)} s`);
      return report;
    }),
  );
  return sumReports(reports);
}

/** Steps come after the one that checks types, and each run would check those of its files again. */
const CHECKED: RunArguments = ["--no-check"];

async function runOnNamed(
  name: BrokerName,
  context: TestContext,
  args: RunArguments,
): Promise<TestReport> {
  await using broker = await startNamedBroker(name, { signal: context.interruption.signal });
  const env = { ...context.env, DENO_JOBS: `${FILES}` };
  return await runOn(broker, { ...context, env }, [[...CHECKED, ...args]]);
}

/** Runs so many at a time, and returns all results in order. */
async function inLanes<T>(lanes: number, runs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  const waiting = runs.entries();
  const lane = async () => {
    for (const [index, run] of waiting) results[index] = await run();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}

async function runOnFound(context: TaskContext): Promise<TestReport> {
  await using broker = await announcedBroker(context);
  if (context.args.some(isPath)) return await runOn(broker, context, [[]]);
  if (isEmbedded(broker)) return await runOn(broker, context, [ALL_BUT_SERIAL, SERIAL_FOLDERS]);
  const reports = [await runOn(broker, context, [ALL_BUT_SERIAL])];
  {
    await using embedded = await startEmbeddedBroker();
    reports.push(await runOn(embedded, context, [ON_EVERY_BROKER]));
  }
  return sumReports([...reports, await runOn(broker, context, [SERIAL_FOLDERS])]);
}

function runsOnNamed(broker: Broker, args: RunArguments): readonly RunArguments[] {
  if (args.some(isPath)) return [[]];
  return isEmbedded(broker) ? [ON_EVERY_BROKER] : [ON_RABBITMQ, SERIAL_FOLDERS];
}

/** Runs tests one after the other, with names that tell on which broker they ran. */
async function runOn(
  broker: Broker,
  context: TestContext,
  runs: readonly RunArguments[],
): Promise<TestReport> {
  const label = brokerLabel(broker);
  const env = { ...context.env, ...brokerEnv(broker) };
  const reports: TestReport[] = [];
  for (const run of runs) {
    say(`\nTests on ${label}${run.length === 0 ? "" : `: ${run.join(" ")}`}`);
    using _progress = startProgress({ title: `Tests on ${label}` });
    const report = await runOnce([...run, ...context.args], { ...context, env });
    say(`On ${label}: ${countLine(report)}`);
    reports.push(reportOn(report, label));
  }
  return sumReports(reports);
}

function isEmbedded({ origin }: Broker): boolean {
  return origin === "embedded broker";
}

async function runOnce(args: RunArguments, context: TestContext): Promise<TestReport> {
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
