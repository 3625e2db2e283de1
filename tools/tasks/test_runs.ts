import { type Broker, startEmbeddedBroker } from "../brokers/broker.ts";
import { announcedBroker, brokerEnv, brokerLabel } from "../brokers/broker_env.ts";
import { startNamedBroker, takeBrokers } from "../brokers/named_broker.ts";
import { runDeno } from "./deno_child.ts";
import { isPath } from "./package_files.ts";
import { say } from "./say.ts";
import type { TaskContext } from "./task.ts";
import { countLine, readTestReport, reportOn, sumReports, type TestReport } from "./test_report.ts";

/** Arguments of one `deno test`. */
type RunArguments = readonly string[];

/** Tests that measure or that start brokers of their own: nothing may run beside them. */
const SERIAL_FOLDERS = ["tests/tools", "tests/serial"];

/** Tests that need no broker. */
const UNIT_FOLDERS = ["tests/unit", "tests/architecture"];

/** Tests of what clients and servers do with a broker: they hold for all brokers. */
const BROKER_FOLDERS = ["tests/integration", "tests/examples"];

/** Tests that only RabbitMQ itself is to pass, or that compare with it. */
const RABBITMQ_FOLDERS = ["tests/fuzz", "tests/poison", "tests/testing", "tests/threats"];

const ALL_BUT_SERIAL: RunArguments = ["--parallel", `--ignore=${SERIAL_FOLDERS.join(",")}`];
const ON_EVERY_BROKER: RunArguments = ["--parallel", ...BROKER_FOLDERS];
const ON_RABBITMQ: RunArguments = ["--parallel", ...BROKER_FOLDERS, ...RABBITMQ_FOLDERS];

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
  context: TaskContext,
  runs: readonly RunArguments[],
): Promise<TestReport> {
  const label = brokerLabel(broker);
  const env = { ...context.env, ...brokerEnv(broker) };
  const reports: TestReport[] = [];
  for (const run of runs) {
    say(`\nTests on ${label}${run.length === 0 ? "" : `: ${run.join(" ")}`}`);
    const report = await runOnce([...run, ...context.args], { ...context, env });
    say(`On ${label}: ${countLine(report)}`);
    reports.push(reportOn(report, label));
  }
  return sumReports(reports);
}

function isEmbedded({ origin }: Broker): boolean {
  return origin === "embedded broker";
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
